"""Repositories on disk for tests of what a build reads."""

from pathlib import Path
from typing import Any


class Tree:
    """A folder like an exported commit."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str = "") -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def addon(self, path: str, version: str = "1.0", **manifest: Any) -> None:
        """An addon that Odoo would take."""
        self.write(f"{path}/__init__.py")
        self.write(f"{path}/__manifest__.py", repr({"name": path, "version": version, **manifest}))
