"""Reads Odoo's manifests as data: nothing in them is ever run."""

import ast
import re
import warnings
from pathlib import Path
from typing import Any

MANIFEST = "__manifest__.py"
MAX_BYTES = 1_000_000


class BrokenManifest(Exception):
    """A manifest that Odoo could not read either; `line` is 0 where it is about the whole file."""

    def __init__(self, reason: str, line: int = 0) -> None:
        self.line = line
        super().__init__(reason)


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest's dictionary. Raises BrokenManifest."""
    if path.stat().st_size > MAX_BYTES:
        raise BrokenManifest(f"It is larger than {MAX_BYTES // 1_000_000} MB.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BrokenManifest("It is not UTF-8 text.") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a description
            read = ast.literal_eval(text)
    except SyntaxError as error:
        raise BrokenManifest(f"{error.msg}.", error.lineno or 0) from error
    except ValueError as error:
        line = re.search(r"on line (\d+)", str(error))
        raise BrokenManifest(
            "It may hold only plain values: no calls, names or sums.", int(line[1]) if line else 0
        ) from error
    except (MemoryError, RecursionError, TypeError) as error:
        raise BrokenManifest("It is nested too deeply, or a key in it is a list.") from error
    if not isinstance(read, dict):
        raise BrokenManifest("It is not a dictionary.")
    return read


def strings(manifest: dict[str, Any], key: str) -> tuple[str, ...]:
    """A list of strings in the manifest, () where it has none. Raises BrokenManifest for something else."""
    value = manifest.get(key) or []
    if not isinstance(value, list | tuple | set) or not all(isinstance(item, str) for item in value):
        raise BrokenManifest(f"Its {key!r} is not a list of names.")
    return tuple(value)


def version_of(manifest: dict[str, Any]) -> str:
    """Odoo takes 1.0 where none is said. Raises BrokenManifest."""
    version = manifest.get("version") or "1.0"
    if not isinstance(version, str) or not re.fullmatch(r"[\w.~+-]{1,50}", version):
        raise BrokenManifest("Its 'version' is not a text such as '1.0.0'.")
    return version


def full_version(version: str, series: str) -> str:
    """The version with the series in front, by Odoo's rule (`adapt_version` in odoo/modules/module.py)."""
    return version if version.startswith(f"{series}.") else f"{series}.{version}"


def series_of(version: str) -> str | None:
    """The series that a manifest's version begins with, None where it names none: `18.0.1.2` does, `1.2` does not."""
    match = re.match(r"(saas[~-]\d+\.\d+|(?:[7-9]|[1-4]\d)\.0)\.\d+\.\d+", version)
    return match[1] if match else None
