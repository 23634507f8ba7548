"""Odoo's command lines. They name no secret: passwords stand in the configuration file."""

import re
from collections.abc import Sequence

from hosting.odoo.series import Series

CONF = "/etc/odoo/odoo.conf"

_ONCE = ("--workers=0", "--max-cron-threads=0", "--stop-after-init")


class InvalidArgument(ValueError):
    """A module's name or a test tag that Odoo's command line would take for something else."""


def serve_argv(database: str) -> list[str]:
    return _odoo(database, "--max-cron-threads=0")


def cron_argv(database: str, cron_workers: int, *, http: bool = False) -> list[str]:
    """`http` is for jobs, which their runner begins by a request to its own server."""
    return _odoo(database, *([] if http else ["--no-http"]), f"--max-cron-threads={cron_workers}")


def install_argv(
    series: Series, database: str, modules: Sequence[str], *, demo: bool, tests: bool = False, tags: str = ""
) -> list[str]:
    """Install into an empty database or an existing one, and run the tests of what is installed if asked.

    `tags` are Odoo's own, such as `/sale,-slow`. Raises InvalidArgument.
    """
    return _odoo(
        database,
        f"--init={_modules(modules)}",
        *(series.demo if demo else series.no_demo),
        *_tests(tests, tags),
        "--no-http",
        *_ONCE,
    )


def update_argv(database: str, modules: Sequence[str]) -> list[str]:
    """Raises InvalidArgument."""
    return _odoo(database, f"--update={_modules(modules)}", "--no-http", *_ONCE)


def open_argv(database: str) -> list[str]:
    """Load all modules on what is there, and end."""
    return _odoo(database, "--no-http", *_ONCE)


def neutralize_argv(database: str) -> list[str]:
    """Run it once only: a second run adds a second dummy mail server (docs/odoo-image.md, "Neutralise")."""
    return ["odoo", "neutralize", f"--config={CONF}", f"--database={database}"]


def shell_argv(database: str) -> list[str]:
    """Reads a script from stdin, which must end with `env.cr.commit()` to keep what it did."""
    return ["odoo", "shell", f"--config={CONF}", f"--database={database}", "--no-http"]


def _odoo(database: str, *arguments: str) -> list[str]:
    return ["odoo", f"--config={CONF}", f"--database={database}", *arguments]


def _tests(tests: bool, tags: str) -> list[str]:
    if not tests:
        return []
    if not re.fullmatch(r"[\w/:.,+*\-\[\]=' ]*", tags):
        raise InvalidArgument(f"{tags[:100]!r} are not test tags. Write them like /my_module,-slow:TestClass.test_one.")
    return ["--test-enable", *([f"--test-tags={tags}"] if tags else [])]


def _modules(names: Sequence[str]) -> str:
    if not names:
        raise InvalidArgument("No module is named. Name at least one.")
    for name in names:
        if not re.fullmatch(r"\w{1,120}", name, re.ASCII):
            raise InvalidArgument(f"{name[:120]!r} is no module's name: only letters, digits and _ can stand in one.")
    return ",".join(names)
