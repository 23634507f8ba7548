"""ir_module_module: which modules are known, and what is to happen to them."""

import functools
import logging

from . import modules
from .modules import Module
from .orm.exceptions import UserError
from .postgres import Cursor, table_exists

_logger = logging.getLogger("odoo.modules.loading")

BOOTSTRAP = """
CREATE TABLE ir_module_module (
    id SERIAL PRIMARY KEY, name VARCHAR NOT NULL UNIQUE, state VARCHAR, latest_version VARCHAR,
    shortdesc VARCHAR, author VARCHAR, summary VARCHAR, demo BOOLEAN DEFAULT FALSE, auto_install BOOLEAN,
    application BOOLEAN, license VARCHAR, create_uid INTEGER, create_date TIMESTAMP, write_uid INTEGER,
    write_date TIMESTAMP);
CREATE TABLE ir_module_module_dependency (
    id SERIAL PRIMARY KEY, name VARCHAR, module_id INTEGER REFERENCES ir_module_module ON DELETE CASCADE,
    auto_install_required BOOLEAN DEFAULT TRUE);
CREATE TABLE ir_model_data (
    id SERIAL PRIMARY KEY, module VARCHAR NOT NULL, name VARCHAR NOT NULL, model VARCHAR NOT NULL, res_id INTEGER,
    noupdate BOOLEAN DEFAULT FALSE, create_uid INTEGER, create_date TIMESTAMP, write_uid INTEGER,
    write_date TIMESTAMP, UNIQUE (module, name));
CREATE SEQUENCE base_registry_signaling;
SELECT nextval('base_registry_signaling');
"""


def is_initialised(cr: Cursor) -> bool:
    return table_exists(cr, "ir_module_module")


def bootstrap(cr: Cursor) -> None:
    """Make what must be there before `base` can be loaded."""
    cr.execute(BOOTSTRAP)
    update_list(cr)


def update_list(cr: Cursor) -> None:
    """Add rows for modules that have come onto the addons path."""
    for module in modules.available().values():
        _look_for_license(module.name)
        cr.execute(
            "INSERT INTO ir_module_module (name, state, shortdesc, author, summary, auto_install, application, license)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (name) DO NOTHING RETURNING id",
            (
                module.name,
                "uninstalled" if module.installable else "uninstallable",
                module.manifest.get("name", module.name),
                str(module.manifest.get("author", "")),
                module.manifest.get("summary", ""),
                bool(module.auto_install),
                bool(module.manifest.get("application")),
                module.manifest.get("license", "LGPL-3"),
            ),
        )
        for row in cr.fetchall():
            for parent in module.depends:
                insert = "INSERT INTO ir_module_module_dependency (name, module_id) VALUES (%s, %s)"
                cr.execute(insert, (parent, row[0]))


@functools.cache
def _look_for_license(name: str) -> None:
    if "license" not in modules.available()[name].manifest:
        logging.getLogger("odoo.modules.module").warning(
            "Missing `license` key in manifest for %r, defaulting to LGPL-3", name
        )


def states(cr: Cursor) -> dict[str, str]:
    cr.execute("SELECT name, state FROM ir_module_module")
    return dict(cr.fetchall())


def with_state(cr: Cursor, *wanted: str) -> list[str]:
    return [name for name, state in states(cr).items() if state in wanted]


def installed_version(cr: Cursor, name: str) -> str | None:
    cr.execute("SELECT latest_version FROM ir_module_module WHERE name = %s", (name,))
    row = cr.fetchone()
    return row[0] if row else None


def has_demo(cr: Cursor, name: str) -> bool:
    cr.execute("SELECT demo FROM ir_module_module WHERE name = %s", (name,))
    row = cr.fetchone()
    return bool(row and row[0])


def settle(cr: Cursor, module: Module, *, demo: bool) -> None:
    """A module is installed or updated: say so in its row, and to other processes."""
    cr.execute(
        "UPDATE ir_module_module SET state = 'installed', latest_version = %s, demo = %s WHERE name = %s",
        (module.version, demo, module.name),
    )
    cr.execute("SELECT nextval('base_registry_signaling')")


def mark_base(cr: Cursor) -> None:
    """`base` is loaded before all others are looked at."""
    change = "CASE state WHEN 'uninstalled' THEN 'to install' ELSE 'to upgrade' END"
    cr.execute(f"UPDATE ir_module_module SET state = {change} WHERE name = 'base'")


def mark(cr: Cursor, init: list[str], update: list[str]) -> None:
    """Carry `-i` and `-u` over to the states of modules. Raises UserError for a dependency that is not available."""
    current = states(cr)
    unknown = sorted(name for name in {*init, *update} - {"all"} if name not in current)
    if unknown:
        _logger.warning("invalid module names, ignored: %s", ", ".join(unknown))
    for name in init:
        if current.get(name) == "uninstalled":
            _to_install(name, current)
    _auto_install(current)
    roots = (
        ["base"] if "all" in update else [name for name in update if current.get(name) in ("installed", "to upgrade")]
    )
    roots += [name for name in init if current.get(name) == "installed"]
    for name in _with_dependents(roots, current):
        if name != "base":
            current[name] = "to upgrade"
    for name, state in current.items():
        cr.execute("UPDATE ir_module_module SET state = %s WHERE name = %s AND state != %s", (state, name, state))


def _to_install(name: str, current: dict[str, str]) -> None:
    current[name] = "to install"
    for parent in modules.available()[name].depends:
        if current.get(parent, "uninstallable") == "uninstallable" or parent not in modules.available():
            raise UserError(
                f'You try to install module "{name}" that depends on module "{parent}".\n'
                "But the latter module is not available in your system."
            )
        if current[parent] == "uninstalled":
            _to_install(parent, current)


def _auto_install(current: dict[str, str]) -> None:
    """Install what wants to be there as soon as its dependencies are, until nothing more does."""
    on = ("to install", "installed", "to upgrade")

    def due(module: Module) -> bool:
        needed = module.auto_install if isinstance(module.auto_install, list) else module.depends
        return bool(module.auto_install) and all(current.get(name) in on for name in needed)

    while waiting := [m for m in modules.available().values() if current.get(m.name) == "uninstalled" and due(m)]:
        for module in waiting:
            _to_install(module.name, current)


def _with_dependents(roots: list[str], current: dict[str, str]) -> list[str]:
    """`roots` and all installed modules that depend on them."""
    found = list(dict.fromkeys(roots))
    known = modules.available()
    for name in found:
        found += [
            other
            for other, state in current.items()
            if state == "installed" and other in known and name in known[other].depends and other not in found
        ]
    return found


def reset(cr: Cursor) -> None:
    """After a failure: nothing is `to install` or `to upgrade` any more."""
    cr.execute("UPDATE ir_module_module SET state = 'installed' WHERE state IN ('to remove', 'to upgrade')")
    changed = cr.rowcount
    cr.execute("UPDATE ir_module_module SET state = 'uninstalled' WHERE state = 'to install'")
    if changed + cr.rowcount:
        _logger.warning("Transient module states were reset")
