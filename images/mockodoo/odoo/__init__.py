"""The names under which addons know the stand-in's parts: `from odoo import models, fields, api`."""

from mockodoo.orm.environment import SUPERUSER_ID
from mockodoo.orm.relations import Command

from . import release
from .translate import LazyTranslate, _, _lt

__all__ = ["SUPERUSER_ID", "Command", "LazyTranslate", "_", "_lt", "release"]
