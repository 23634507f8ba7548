"""Addons on the path: where they are, what their manifests say, in which order they load."""

import ast
import functools
import logging
import sys
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from . import release
from .options import CORE_ADDONS, config

_logger = logging.getLogger("odoo.modules.module")


class ManifestError(ValueError):
    pass


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    manifest: dict[str, Any] = field(repr=False)

    @property
    def is_core(self) -> bool:
        """Whether it is one of the stand-in's own."""
        return self.path.parent == CORE_ADDONS

    @property
    def depends(self) -> list[str]:
        if self.name == "base":
            return []
        return list(self.manifest.get("depends") or ["base"])

    @property
    def installable(self) -> bool:
        return bool(self.manifest.get("installable", True))

    @property
    def auto_install(self) -> bool | list[str]:
        """False, or whether (and on which modules) it installs itself: True means all that it depends on."""
        value = self.manifest.get("auto_install", False)
        return value if isinstance(value, bool) else list(value)

    @property
    def version(self) -> str:
        return adapt_version(str(self.manifest.get("version") or "1.0"))

    def files(self, key: str) -> list[str]:
        return list(self.manifest.get(key) or [])


def adapt_version(version: str) -> str:
    """Put the series in front of a manifest's version unless it is there: `1.2` -> `18.0.1.2`."""
    if version == release.SERIES or not version.startswith(f"{release.SERIES}."):
        return f"{release.SERIES}.{version}"
    return version


@functools.cache
def available() -> dict[str, Module]:
    """All modules on the addons path by name; the first folder that has one wins."""
    found: dict[str, Module] = {}
    for folder in config.addons_paths:
        for manifest in sorted(folder.glob("*/__manifest__.py")):
            name = manifest.parent.name
            if name not in found:
                content = _read_manifest(manifest)
                if content is not None:
                    found[name] = Module(name, manifest.parent, content)
    return found


def _read_manifest(path: Path) -> dict[str, Any] | None:
    try:
        content = ast.literal_eval(path.read_text())
    except (SyntaxError, ValueError, OSError):
        _logger.exception("module %s: could not read the manifest", path.parent.name)
        return None
    return content if isinstance(content, dict) else None


def graph(names: Iterable[str]) -> list[Module]:
    """`names` in the order of loading: dependencies first, then by name. What can't be loaded is logged, left out."""
    known, wanted = available(), set(names)
    depth: dict[str, int] = {}

    def place(name: str, seen: tuple[str, ...] = ()) -> int:
        if name in seen or name not in wanted or name not in known or not known[name].installable:
            return -1
        if name not in depth:
            above = [place(parent, (*seen, name)) for parent in known[name].depends]
            depth[name] = -1 if -1 in above else max(above, default=0) + 1
        return depth[name]

    loadable = [name for name in sorted(wanted) if place(name) > 0]
    for name in sorted(wanted):
        if name not in known or not known[name].installable:
            logging.getLogger("odoo.modules.graph").warning("module %s: not installable, skipped", name)
    return [known[name] for name in sorted(loadable, key=lambda name: (depth[name], name))]


def initialise_import_path() -> None:
    """Let `import odoo.addons.<module>` find modules on the addons path."""
    package = import_module("odoo.addons")
    package.__path__ = [str(folder) for folder in config.addons_paths]


def load_python(name: str) -> types.ModuleType:
    """Import a module's Python code. Whatever it raises comes through, after a line in the log."""
    try:
        return import_module(f"odoo.addons.{name}")
    except Exception:
        _logger.critical("Couldn't load module %s", name)
        raise


def load_server_wide() -> None:
    """Import the modules that serve requests without a database. A missing one is an error line, no more."""
    for name in config.modules("server_wide_modules"):
        try:
            load_python(name)
        except Exception:
            logging.getLogger("odoo.service.server").exception("Failed to load server-wide module `%s`.", name)


def hook(module: Module, key: str) -> Any:
    """A function that the manifest names (`post_init_hook`), or None."""
    name = module.manifest.get(key)
    return getattr(sys.modules[f"odoo.addons.{module.name}"], name) if name else None
