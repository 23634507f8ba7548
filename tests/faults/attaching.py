"""A file that production has in its filestore for a while, as Odoo would have put it there."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.installation import Installation

ODOO = 101  # the user in Odoo's images


@contextmanager
def attached(installation: Installation, size: int) -> Iterator[Path]:
    """A file of production's filestore, of so many bytes, that a row names meanwhile."""
    content = secrets.token_bytes(size)
    digest = hashlib.sha1(content).hexdigest()
    (row,) = installation.in_production("SELECT current_database() AS name")
    instance = row["name"].partition("_")[2]
    file = installation.home / "instances" / instance / "data" / "filestore" / row["name"] / digest[:2] / digest
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    for path in (file, *list(file.parents)[:3]):
        os.chown(path, ODOO, ODOO)
    name = f"{digest[:2]}/{digest}"
    insert = "INSERT INTO ir_attachment (name, type, store_fname) VALUES ('file', 'binary', %s)"
    installation.in_production(insert, name)
    try:
        yield file
    finally:
        installation.in_production("DELETE FROM ir_attachment WHERE store_fname = %s", name)
        file.unlink(missing_ok=True)
