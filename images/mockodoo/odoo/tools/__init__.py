"""The few tools that ordinary addons use."""

from mockodoo.options import config

from .float_utils import float_compare, float_is_zero, float_round

__all__ = ["config", "float_compare", "float_is_zero", "float_round"]
