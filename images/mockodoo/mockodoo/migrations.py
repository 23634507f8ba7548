"""Migration scripts: `migrations/<version>/{pre,post,end}-*.py`, each with `migrate(cr, version)`."""

import importlib.util
import logging
from pathlib import Path

from .modules import Module, adapt_version
from .postgres import Cursor

_logger = logging.getLogger("odoo.modules.migration")
FORMS = {"pre": "[>%s]", "post": "[%s>]", "end": "[$%s]"}


def run(cr: Cursor, module: Module, stage: str, installed: str | None) -> None:
    """Run the scripts of `stage` that lie above the `installed` version and not above the manifest's."""
    for path in _scripts(module, stage, installed):
        _logger.info("module %s: Running migration %s %s", module.name, FORMS[stage] % path.parent.name, path.stem)
        spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be loaded")
        script = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(script)
        script.migrate(cr, installed)


def _scripts(module: Module, stage: str, installed: str | None) -> list[Path]:
    if not installed:
        return []
    folders = [
        folder
        for parent in ("migrations", "upgrades")
        for folder in (module.path / parent).glob("*")
        if folder.is_dir() and _key(installed) < _key(folder.name) <= _key(module.version)
    ]
    return [
        path for folder in sorted(folders, key=lambda f: _key(f.name)) for path in sorted(folder.glob(f"{stage}-*.py"))
    ]


def _key(version: str) -> tuple[int, ...]:
    """A version to compare by; what is no number counts as 0."""
    return tuple(int(part) if part.isdigit() else 0 for part in adapt_version(version).split("."))
