"""`odoo neutralize`: run `data/neutralize.sql` of every installed module."""

import logging

from . import modules, states
from .postgres import Cursor

_logger = logging.getLogger("odoo.modules.neutralize")


def queries(cr: Cursor) -> list[tuple[str, str]]:
    """Module and SQL, in the order of loading, `base` first."""
    order = modules.graph(states.with_state(cr, "installed", "to upgrade", "to remove"))
    files = ((module.name, module.path / "data" / "neutralize.sql") for module in order)
    return [(name, path.read_text().strip()) for name, path in files if path.exists()]


def neutralize(dbname: str) -> None:
    with Cursor(dbname) as cr:
        for _name, query in queries(cr):
            cr.execute(query)
    _logger.info("Neutralization finished")
