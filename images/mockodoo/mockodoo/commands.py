"""The commands beside the server: `odoo neutralize`, `odoo db ...`, `odoo shell`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from . import databases, loading, neutralization, postgres, release, serve
from .options import config
from .orm.registry import environment


def neutralize(arguments: list[str]) -> int:
    """Neutralise a database, or with `--stdout` print the SQL that would."""
    to_stdout = "--stdout" in arguments
    serve.prepare([argument for argument in arguments if argument != "--stdout"], "odoo neutralize")
    names = config.modules("db_name")
    if len(names) != 1:
        print("Neutralize command only accept one database name.", file=sys.stderr)
        return 1
    if to_stdout:
        with postgres.Cursor(names[0]) as cr:
            print("BEGIN;", *(query for _, query in neutralization.queries(cr)), "COMMIT;", sep="\n")
    else:
        neutralization.neutralize(names[0])
    return 0


def shell(arguments: list[str]) -> int:
    """Run the script on stdin with `env`. Nothing is kept unless it commits."""
    serve.prepare(arguments, "odoo shell")
    name = config.modules("db_name")[0]
    registry = loading.load(name)
    with postgres.Cursor(name) as cr:
        env = environment(cr, registry)
        exec(compile(sys.stdin.read(), "<stdin>", "exec"), {"env": env, "self": env.user, "odoo": __import__("odoo")})
        cr.rollback()
    return 0


def database(arguments: list[str]) -> int:
    """`odoo db dump|load|duplicate|rename|drop`."""
    parser = argparse.ArgumentParser(prog="odoo db")
    for flag in ("-c", "--db_host", "--db_port", "-r", "-w", "-D"):
        parser.add_argument(flag, *_LONG.get(flag, ()))
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in _DATABASE_COMMANDS.items():
        command = commands.add_parser(name)
        for word in words:
            command.add_argument(word, nargs="?" if word == "dump_path" else None, default=None)
        command.add_argument("-n", "--neutralize", action="store_true")
        command.add_argument("-f", "--force", action="store_true")
        command.add_argument("--format", choices=("zip", "dump"), default="zip")
    given = parser.parse_args(arguments)
    connection = {"-c": given.config, "--db_host": given.db_host, "--db_port": given.db_port}
    connection |= {"-r": given.db_user, "-w": given.db_password, "-D": given.data_dir}
    serve.prepare([word for flag, value in connection.items() if value for word in (flag, value)], "odoo db")
    try:
        return _database(given)
    except databases.DatabaseExists as error:
        print(f"{error}, use --force to overwrite it.", file=sys.stderr)
        return 1


_LONG = {"-c": ("--config",), "-r": ("--db_user",), "-w": ("--db_password",), "-D": ("--data-dir",)}
_DATABASE_COMMANDS = {
    "dump": ("database", "dump_path"),
    "load": ("database", "dump_file"),
    "duplicate": ("source", "target"),
    "rename": ("source", "target"),
    "drop": ("database",),
}


def _database(given: argparse.Namespace) -> int:
    if given.command in ("duplicate", "rename"):
        if databases.exists(given.target):
            if not given.force:
                raise databases.DatabaseExists(f"Target database {given.target!r} exists")
            databases.drop(given.target)
        if given.command == "rename":
            databases.rename(given.source, given.target)
        else:
            databases.duplicate(given.source, given.target, neutralize=given.neutralize)
    elif given.command == "load":
        databases.load(given.database, Path(given.dump_file), force=given.force, neutralize=given.neutralize)
    elif given.command == "drop":
        if not databases.drop(given.database):
            print(f"Database {given.database} does not exist.", file=sys.stderr)
            return 1
    elif given.dump_path and given.dump_path != "-":
        with open(given.dump_path, "wb") as stream:
            databases.dump(given.database, stream, zipped=given.format == "zip")
    else:
        databases.dump(given.database, sys.stdout.buffer, zipped=given.format == "zip")
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {"neutralize": neutralize, "shell": shell}
if release.DATABASE_COMMAND:
    COMMANDS["db"] = database
