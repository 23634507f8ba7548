"""`odoo [-d DB] [-i ...] [-u ...] [--stop-after-init]`: prepare the databases, then serve."""

import logging
import os
import sys

import psycopg2
import psycopg2.errors

from . import databases, loading, logs, modules, options, release, testing
from .options import config
from .server.prefork import PreforkServer
from .server.threaded import ThreadedServer, say_goodbye
from .web.application import Application

_logger = logging.getLogger("odoo")
_server = logging.getLogger("odoo.service.server")
FAILED = 255


def main(arguments: list[str]) -> int:
    prepare(arguments)
    _report()
    for name in config.modules("db_name"):
        _create_unless_there(name)
    modules.load_server_wide()
    if config["stop_after_init"]:
        code = _preload()
        say_goodbye()
        return code
    server = PreforkServer(Application()) if config["workers"] else ThreadedServer(Application())
    return server.run(_preload)


def prepare(arguments: list[str], program: str = "odoo") -> None:
    """Read the settings and set the process up for them. Ends it with code 2 or 1 where they can't be used."""
    options.parse(arguments, program)
    user = config["db_user"] or os.environ.get("PGUSER")
    if user == "postgres":
        print("Using the database user 'postgres' is a security risk, aborting.", file=sys.stderr)
        sys.exit(1)
    logs.initialise()
    modules.initialise_import_path()


def _report() -> None:
    _logger.info("Odoo version %s", release.VERSION)
    _logger.info("Using configuration file at %s", config.rcfile)
    _logger.info("addons paths: %s", [str(path) for path in config.addons_paths])
    host, port = (
        config["db_host"] or os.environ.get("PGHOST", "default"),
        config["db_port"] or os.environ.get("PGPORT", "default"),
    )
    _logger.info("database: %s@%s:%s", config["db_user"] or os.environ.get("PGUSER", "default"), host, port)


def _create_unless_there(name: str) -> None:
    """As Odoo does: with CREATEDB a mistyped name quietly becomes a database; without, loading it will fail."""
    try:
        databases.create_empty(name)
    except databases.DatabaseExists:
        return
    except psycopg2.errors.InsufficientPrivilege as error:
        _logger.info("Could not determine if database %s exists, skipping auto-creation: %s", name, error)
    else:
        config["init"] = ",".join(["base", *config.modules("init")])


def _preload() -> int:
    """Load the registries of the settings' databases. Returns the exit code that `--stop-after-init` ends with."""
    code = 0
    for name in config.modules("db_name"):
        try:
            loading.load(name, update=True)
        except Exception:
            _server.critical("Failed to initialize database `%s`.", name, exc_info=True)
            return FAILED
        if config["test_enable"] and not testing.report(name):
            code = 1
    return code
