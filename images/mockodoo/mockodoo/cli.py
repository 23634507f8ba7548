"""`odoo`: the server (also as `odoo server`), and the commands neutralize, db and shell."""

import sys

from . import commands, serve


def main(arguments: list[str]) -> int:
    """Run a command. Returns its exit code."""
    if arguments and not arguments[0].startswith("-"):
        command = commands.COMMANDS.get(arguments[0])
        if arguments[0] == "server":
            return serve.main(arguments[1:])
        if command is None:
            print(f"Unknown command {arguments[0]!r}", file=sys.stderr)
            return 1
        return command(arguments[1:])
    return serve.main(arguments)
