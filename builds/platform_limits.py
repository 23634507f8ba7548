"""What a repository may ask for that the platform does not have: system packages, PostgreSQL extensions, modules that
can't work here.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from builds.findings import Addon, Problem, Severity

EXTENSIONS = frozenset({"pg_trgm", "plpgsql", "unaccent"})
"""PostgreSQL extensions that every hosted database may have."""

PROGRAMS = frozenset(
    {"bash", "curl", "gpg", "less", "lessc", "node", "npm", "openssl", "pg_dump", "pg_restore", "pip", "pip3", "psql"}
    | {"python", "python3", "rtlcss", "sh", "tar", "wkhtmltoimage", "wkhtmltopdf", "xz", "zip"}
)
"""Programs of the official Odoo images, which are what a manifest's `external_dependencies` may name."""

PACKAGE_LISTS = ("packages.txt", "apt.txt", "Aptfile", "apt-packages.txt")

_EXTENSION = re.compile(r"create\s+extension\s+(?:if\s+not\s+exists\s+)?[\"'\\]*([\w-]+)", re.IGNORECASE)
_SQL_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_XML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Unsupported:
    """A module that can't work here, with where that is documented."""

    name: str
    reason: str
    source: str
    alternative: str


@cache
def unsupported_modules() -> dict[str, Unsupported]:
    text = (Path(__file__).parent / "unsupported_modules.toml").read_text()
    return {name: Unsupported(name=name, **entry) for name, entry in tomllib.loads(text).items()}


def check_package_list(tree: Path, folder: str) -> Iterator[Problem]:
    """Lists of Debian packages, as other platforms read them."""
    for name in PACKAGE_LISTS:
        path = f"{folder}/{name}".lstrip("/")
        if not (tree / path).is_file() or (tree / path).is_symlink():
            continue
        rows = (tree / path).read_bytes()[:100_000].decode("utf-8", errors="replace").splitlines()
        asked = [row.strip() for row in rows if row.strip() and not row.lstrip().startswith("#")]
        if asked:
            yield _no_system_packages(f"It asks for {', '.join(asked)[:300]}.", path)


def check_addon(addon: Addon) -> Iterator[Problem]:
    """Programs that the manifest asks for, and modules that are known not to work, the addon itself or one it needs."""
    missing = [program for program in addon.programs if program not in PROGRAMS]
    if missing:
        detail = f"The module {addon.name} needs the programs {', '.join(missing)[:300]}."
        yield _no_system_packages(detail, f"{addon.path}/__manifest__.py")
    for name in (addon.name, *addon.depends):
        if known := unsupported_modules().get(name):
            needs = "" if name == addon.name else f"{addon.name} depends on it. "
            yield Problem(
                Severity.ERROR,
                f"The module {name} does not work on this platform",
                f"{needs}{known.reason} ({known.source})",
                f"{addon.path}/__manifest__.py",
                known.alternative,
            )


def may_create_extension(content: bytes) -> bool:
    """Whether a closer look is worth its time."""
    return re.search(rb"create\s+extension", content, re.IGNORECASE) is not None


def check_extensions(text: str, path: str) -> Iterator[Problem]:
    """CREATE EXTENSION in an SQL or XML file."""
    bare = _SQL_COMMENT.sub(_blank, _XML_COMMENT.sub(_blank, text))
    for match in _EXTENSION.finditer(bare):
        yield from _extension(match[1], f"{path}:{bare.count(chr(10), 0, match.start()) + 1}")


def check_extensions_in_python(module: ast.Module, path: str) -> Iterator[Problem]:
    """CREATE EXTENSION in a string that the code uses; docstrings and comments may speak of what they like."""
    spoken = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in spoken:
            for match in _EXTENSION.finditer(node.value):
                yield from _extension(match[1], f"{path}:{node.lineno}")


def _extension(name: str, path: str) -> Iterator[Problem]:
    if name.lower() not in EXTENSIONS:
        yield Problem(
            Severity.ERROR,
            f"The PostgreSQL extension {name} can't be installed",
            f"Hosted databases have {' and '.join(sorted(EXTENSIONS - {'plpgsql'}))} and no other.",
            path,
            "Do without it, or ask the operator whether the project may have a database server of its own.",
        )


def _no_system_packages(detail: str, path: str) -> Problem:
    return Problem(
        Severity.ERROR,
        "System packages can't be installed",
        detail,
        path,
        "Use a Python package that brings what it needs (requirements.txt), or a service outside; then remove this.",
    )


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")
