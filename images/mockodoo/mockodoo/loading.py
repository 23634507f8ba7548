"""Bring a database's registry up: install, update, load, and run the tests that were asked for."""

import logging
import time

from . import access, data, logs, migrations, modules, release, states, testing
from .modules import Module
from .options import config
from .orm import schema
from .orm.environment import Environment
from .orm.registry import Registry, environment
from .postgres import Cursor

_logger = logging.getLogger("odoo.modules.loading")
_registry_logger = logging.getLogger("odoo.modules.registry")


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
            loading = Loading(cr, registry)
            loading.run(update=update)
        except Exception:
            cr.rollback()
            if states.is_initialised(cr):
                states.reset(cr)
                cr.commit()
            _registry_logger.error("Failed to load registry")
            raise
        registry.sequence = sequence(cr) if registry.ready else 0
    if registry.ready:
        Registry.registries[dbname] = registry
    _registry_logger.info("Registry loaded in %.3fs", time.monotonic() - started)
    if config["test_enable"] and loading.updated:
        testing.run_afterwards(registry, [module.name for module, _ in loading.updated])
    return registry


class Loading:
    """One loading of one database, as it goes."""

    def __init__(self, cr: Cursor, registry: Registry) -> None:
        self.cr, self.registry = cr, registry
        self.updated: list[tuple[Module, str | None]] = []  # with the version that was installed before
        self.required: list[tuple[str, str]] = []

    @property
    def env(self) -> Environment:
        return environment(self.cr, self.registry)

    def run(self, *, update: bool) -> None:
        init, updates = (config.modules("init"), config.modules("update")) if update else ([], [])
        if not states.is_initialised(self.cr):
            if not init:
                _logger.error("Database %s not initialized, you can force it with `-i base`", self.cr.dbname)
                return
            _logger.info("init db")
            states.bootstrap(self.cr)
            states.mark_base(self.cr)
        elif "base" in init or {"base", "all"} & set(updates):
            states.mark_base(self.cr)
        self._load_graph(modules.graph(["base"]))
        if init or updates:
            _logger.info("updating modules list")
            states.update_list(self.cr)
            states.mark(self.cr, init, updates)
        self._load_graph(modules.graph(states.with_state(self.cr, "installed", "to upgrade", "to remove")))
        if states.with_state(self.cr, "to install"):
            self._load_graph(modules.graph(states.with_state(self.cr, "installed", "to upgrade", "to install")))
        self._finish()
        self.registry.ready = True

    def _load_graph(self, order: list[Module]) -> None:
        """Load what is not loaded yet of these modules."""
        _logger.info("loading %d modules...", len(order))
        started, queries = time.monotonic(), logs.queries()
        current = states.states(self.cr)
        for number, module in enumerate(order, 1):
            if module.name not in self.registry.loaded:
                self._load_module(module, current[module.name], f"{number}/{len(order)}")
        spent = logs.queries() - queries
        _logger.info("%d modules loaded in %.2fs, %d queries (+0 extra)", len(order), time.monotonic() - started, spent)

    def _load_module(self, module: Module, state: str, position: str) -> None:
        """Load one module; install or update it if its state says so, and commit."""
        changes = state in ("to install", "to upgrade")
        _logger.log(logging.INFO if changes else logging.DEBUG, "Loading module %s (%s)", module.name, position)
        started, queries = time.monotonic(), logs.queries()
        version = states.installed_version(self.cr, module.name) if state == "to upgrade" else None
        migrations.run(self.cr, module, "pre", version)
        modules.load_python(module.name)
        if state == "to install":
            self._call_hook(module, "pre_init_hook")
        touched = self.registry.add(module.name)
        self.registry.loaded.append(module.name)
        if changes:
            self._change(module, touched, version, fresh=state == "to install")
            _tell(module, time.monotonic() - started, logs.queries() - queries, self._test(module))

    def _change(self, module: Module, touched: list[str], version: str | None, *, fresh: bool) -> None:
        """Install or update: tables, data, demo data, migrations, and the row in ir_module_module."""
        models = [self.registry[name] for name in touched]
        if models:
            _registry_logger.info("module %s: creating or updating database tables", module.name)
        self.required += schema.make_tables(self.env, models)
        data.register_models(self.env, module.name, models)
        demo = self._load_data(module, fresh=fresh)
        migrations.run(self.cr, module, "post", version)
        if fresh:
            self._call_hook(module, "post_init_hook")
        if not module.is_core:  # whose rows in ir_model_access Odoo has, and the stand-in has not
            access.warn(self.env, module.name, models)
        states.settle(self.cr, module, demo=demo)
        self.cr.commit()
        self.updated.append((module, version))

    def _call_hook(self, module: Module, key: str) -> None:
        function = modules.hook(module, key)
        if function is not None:
            before_17 = (self.cr,) if key == "pre_init_hook" else (self.cr, self.registry)
            function(*((self.env,) if release.MAJOR >= 17 else before_17))

    def _load_data(self, module: Module, *, fresh: bool) -> bool:
        """Load data files, and demo files where this database has demo data. Returns whether it has."""
        data.load(self.env, module, module.files("data"), fresh=fresh)
        demo = _wants_demo() if fresh else states.has_demo(self.cr, module.name)
        if demo:
            files = module.files("demo")
            if files:
                _logger.info("Module %s: loading demo", module.name)
            data.load(self.env, module, files, fresh=fresh)
        return demo

    def _test(self, module: Module) -> testing.Totals:
        if not config["test_enable"]:
            return testing.Totals()
        return testing.run(self.registry, [module.name], "at_install")

    def _finish(self) -> None:
        lost = sorted(set(states.with_state(self.cr, "installed")).difference(self.registry.loaded))
        if lost:
            _logger.error("Some modules are not loaded, some dependencies or manifest may be missing: %s", lost)
        for module, version in self.updated:
            migrations.run(self.cr, module, "end", version)
        pending = sorted(states.with_state(self.cr, "to install", "to upgrade", "to remove"))
        if pending:
            _logger.error("Some modules have inconsistent states, some dependencies may be missing: %s", pending)
        for table, column in dict.fromkeys(self.required):
            schema.require(self.cr, table, column)
        self.cr.commit()
        if not testing.totals.successful:
            _logger.error("At least one test failed when loading the modules.")
        _logger.info("Modules loaded.")
        if self.updated:
            _registry_logger.info("Registry changed, signaling through the database")


def _wants_demo() -> bool:
    """As the series does it: on unless told not to, or from 19 on only when asked for."""
    return bool(config["with_demo"]) if release.MAJOR >= 19 else not config["without_demo"]


def _tell(module: Module, seconds: float, queries: int, tested: testing.Totals) -> None:
    """The two lines that end a module's installation or update."""
    _logger.info(
        "Module %s loaded in %.2fs%s, %d queries (%s+%d other)",
        module.name,
        seconds + tested.seconds,
        f" (incl. {tested.seconds:.2f}s test)" if tested.tests else "",
        queries,
        f"+{tested.queries} test, " if tested.tests else "",
        queries,
    )
    if not tested.successful:
        counts = (tested.failures, tested.errors, tested.tests)
        _logger.error("Module %s: %d failures, %d errors of %d tests", module.name, *counts)


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
