"""Reads the source files of addons: syntax errors, and extensions of PostgreSQL that they ask for. Nothing is run."""

import ast
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from builds import platform_limits
from builds.findings import Addon, Problem, Severity
from hosting.odoo.series import find

MAX_SOURCES = 30_000
MAX_BYTES = 1_000_000


def check_sources(tree: Path, addons: Iterable[Addon], series: str) -> Iterator[Problem]:
    """What is wrong in the Python, SQL and XML files of these addons."""
    seen = 0
    for addon in addons:
        for path in _sources(tree, addon.path):
            seen += 1
            if seen > MAX_SOURCES:
                return
            content = (tree / path).read_bytes()
            if path.endswith(".py"):
                yield from _check_python(tree, addon, path, content, series)
            else:
                yield from platform_limits.check_extensions(content.decode("utf-8", errors="replace"), path)


def _sources(tree: Path, addon: str) -> Iterator[str]:
    for folder, folders, files in os.walk(tree / addon):
        folders[:] = sorted(name for name in folders if name not in ("static", "node_modules", "__pycache__"))
        for name in sorted(files):
            path = os.path.join(folder, name)
            wanted = name.endswith((".py", ".sql", ".xml")) and not os.path.islink(path)
            if wanted and os.path.getsize(path) <= MAX_BYTES:
                yield os.path.relpath(path, tree)


def _check_python(tree: Path, addon: Addon, path: str, content: bytes, series: str) -> Iterator[Problem]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(content, filename=path, feature_version=find(series).python)
    except (SyntaxError, ValueError) as error:
        yield _syntax_error(tree, addon, path, error)
    except (MemoryError, RecursionError):
        return  # nested too deeply to be read here; Odoo will say what it thinks of it
    else:
        if platform_limits.may_create_extension(content):
            yield from platform_limits.check_extensions_in_python(module, path)


def _syntax_error(tree: Path, addon: Addon, path: str, error: SyntaxError | ValueError) -> Problem:
    line, text, reason = (getattr(error, "lineno", 0) or 0), getattr(error, "text", "") or "", str(error)
    if isinstance(error, SyntaxError):
        reason = error.msg
    certain = _is_imported(tree, addon, path) and not _may_be_newer(text, reason)
    return Problem(
        Severity.ERROR if certain else Severity.WARNING,
        f"Syntax error in the module {addon.name}",
        f"{reason}: {text.strip()[:200]}",
        f"{path}:{line}",
        "Correct it, then push again.",
    )


def _is_imported(tree: Path, addon: Addon, path: str) -> bool:
    """Whether Odoo loads the file: in a package, or among the migrations. A script that lies about harms nobody."""
    inside = Path(path).relative_to(addon.path).parent
    if inside.parts[:1] in (("migrations",), ("upgrades",)):
        return True
    chain = [inside, *inside.parents]
    return all((tree / addon.path / folder / "__init__.py").is_file() for folder in chain)


def _may_be_newer(text: str, reason: str) -> bool:
    """Whether it may be syntax of Python 3.12, which the images of 18.0 and 19.0 know and ours perhaps does not."""
    return "f-string" in reason or bool(
        re.search(r"\b(?:[rR]?[fF]|[fF][rR])[\"']|^\s*(?:def|class|type)\s+\w+\s*\[|^\s*type\s+\w+\s*=", text)
    )
