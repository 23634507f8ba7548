"""Bring a database's registry up: install, update, load, and run the tests that were asked for."""

import logging
import time
from dataclasses import dataclass, field

from . import data, logs, migrations, modules, release, states, testing
from .modules import Module
from .options import config
from .orm import schema
from .orm.environment import Environment
from .orm.registry import Registry, environment
from .postgres import Cursor

_logger = logging.getLogger("odoo.modules.loading")
_registry_logger = logging.getLogger("odoo.modules.registry")


@dataclass
class _Run:
    """One loading of one database, as it goes."""

    cr: Cursor
    registry: Registry
    demo: bool
    updated: list[Module] = field(default_factory=list)
    required: list[tuple[str, str]] = field(default_factory=list)
    upgraded: list[tuple[Module, str | None]] = field(default_factory=list)

    @property
    def env(self) -> Environment:
        return environment(self.cr, self.registry)


def load(dbname: str, *, update: bool = False) -> Registry:
    """Load the modules of a database, and carry out `-i` and `-u` of the settings if `update`.

    Returns a registry that is not `ready` where the database is not initialised. Whatever a module raises comes
    through; the states of modules are then as they were.
    """
    started = time.monotonic()
    logs.set_database(dbname)
    registry = Registry(dbname)
    with Cursor(dbname) as cr:
        try:
            _load(_Run(cr, registry, _wants_demo()), update=update)
        except Exception:
            cr.rollback()
            _logger.debug("Loading failed")
            if states.is_initialised(cr):
                states.reset(cr)
                cr.commit()
            raise
        if registry.ready:
            Registry.registries[dbname] = registry
    _registry_logger.info("Registry loaded in %.3fs", time.monotonic() - started)
    return registry


def _wants_demo() -> bool:
    """As the series does it: on unless told not to, or from 19 on only when asked for."""
    if release.MAJOR >= 19:
        return bool(config["with_demo"])
    return not config["without_demo"]


def _load(run: _Run, *, update: bool) -> None:
    cr, registry = run.cr, run.registry
    init, updates = (config.modules("init"), config.modules("update")) if update else ([], [])
    if not states.is_initialised(cr):
        if "base" not in init and not init:
            _logger.error("Database %s not initialized, you can force it with `-i base`", cr.dbname)
            return
        _logger.info("init db")
        states.bootstrap(cr)
        init = ["base", *init]
    elif init or updates:
        states.update_list(cr)
    if init or updates:
        states.mark(cr, init, updates)
    current = states.states(cr)
    wanted = [
        name for name, state in current.items() if state in ("installed", "to upgrade", "to install", "to remove")
    ]
    order = modules.graph(wanted)
    _logger.info("loading %d modules...", len(order))
    since = time.monotonic()
    for number, module in enumerate(order, 1):
        _load_module(run, module, current[module.name], f"{number}/{len(order)}")
    _logger.info(
        "%d modules loaded in %.2fs, %d queries (+0 extra)", len(order), time.monotonic() - since, logs.queries()
    )
    _finish(run)
    registry.sequence = sequence(cr)
    registry.ready = True
    if config["test_enable"] and run.updated:
        cr.commit()
        Registry.registries[cr.dbname] = registry
        testing.run(registry, [module.name for module in run.updated], "post_install")


def _load_module(run: _Run, module: Module, state: str, position: str) -> None:
    """Load one module; install or update it if its state says so, and commit."""
    changes = state in ("to install", "to upgrade")
    _logger.log(logging.INFO if changes else logging.DEBUG, "Loading module %s (%s)", module.name, position)
    started, queries = time.monotonic(), logs.queries()
    version = _installed_version(run.cr, module.name) if state == "to upgrade" else None
    migrations.run(run.cr, module, "pre", version)
    modules.load_python(module.name)
    if state == "to install" and (before := modules.hook(module, "pre_init_hook")):
        before(*((run.env,) if release.MAJOR >= 17 else (run.cr,)))
    touched = run.registry.add(module.name)
    run.registry.loaded.append(module.name)
    if not changes:
        return
    _registry_logger.info("module %s: creating or updating database tables", module.name)
    models = [run.registry[name] for name in touched]
    run.required += schema.make_views_and_tables(run.env, models)
    data.register_models(run.env, module.name, models)
    demo = _load_data(run, module, fresh=state == "to install")
    migrations.run(run.cr, module, "post", version)
    if state == "to install" and (after := modules.hook(module, "post_init_hook")):
        after(*((run.env,) if release.MAJOR >= 17 else (run.cr, run.registry)))
    _settle(run, module, demo)
    run.updated.append(module)
    run.upgraded.append((module, version))
    if config["test_enable"]:
        testing.run(run.registry, [module.name], "at_install")
    _logger.info(
        "Module %s loaded in %.2fs, %d queries (+%d other)",
        module.name,
        time.monotonic() - started,
        logs.queries() - queries,
        logs.queries() - queries,
    )


def _installed_version(cr: Cursor, name: str) -> str | None:
    cr.execute("SELECT latest_version FROM ir_module_module WHERE name = %s", (name,))
    row = cr.fetchone()
    return row[0] if row else None


def _load_data(run: _Run, module: Module, *, fresh: bool) -> bool:
    """Load data files, and demo files where this database has demo data. Returns whether it has."""
    data.load(run.env, module, module.files("data"), fresh=fresh)
    run.cr.execute("SELECT demo FROM ir_module_module WHERE name = %s", (module.name,))
    row = run.cr.fetchone()
    demo = run.demo if fresh else bool(row and row[0])
    if demo:
        files = module.files("demo")
        if files:
            _logger.info("Module %s: loading demo", module.name)
        data.load(run.env, module, files, fresh=fresh)
    return demo


def _settle(run: _Run, module: Module, demo: bool) -> None:
    run.cr.execute(
        "UPDATE ir_module_module SET state = 'installed', latest_version = %s, demo = %s WHERE name = %s",
        (module.version, demo, module.name),
    )
    run.cr.execute("SELECT nextval('base_registry_signaling')")
    run.cr.commit()


def _finish(run: _Run) -> None:
    for module, version in run.upgraded:
        migrations.run(run.cr, module, "end", version)
    for table, column in dict.fromkeys(run.required):
        schema.require(run.cr, table, column)
    run.cr.commit()
    _logger.info("Modules loaded.")


def sequence(cr: Cursor) -> int:
    """A number that changes whenever some process installs or updates a module of this database."""
    cr.execute("SELECT last_value FROM base_registry_signaling")
    row = cr.fetchone()
    return int(row[0]) if row else 0


def current(dbname: str) -> Registry:
    """The registry of a database for a request: loaded on first use, and again when its modules changed elsewhere."""
    registry = Registry.registries.get(dbname)
    if registry is not None:
        with Cursor(dbname) as cr:
            if sequence(cr) == registry.sequence:
                return registry
        _registry_logger.info("Reloading the model registry after database signaling.")
    return load(dbname)
