"""Backups of an installation's production, as an admin asks for them."""

import time
from typing import Any

from tests.installation import Installation
from tests.portal import Portal

PATIENCE_S = 600.0


def ask(installation: Installation) -> int:
    """Click on "Back up now". Returns the backup."""
    installation.query("UPDATE hosting_backup SET created_at = created_at - interval '1 day'")  # five a day
    with Portal(installation) as portal:
        path = address(installation)
        portal.page(path)
        portal.post(f"{path}now/")
    (row,) = installation.query("SELECT max(id) AS id FROM hosting_backup WHERE state <> 'done'")
    return int(row["id"])


def end(installation: Installation, backup: int, *, timeout: float = PATIENCE_S) -> dict[str, Any]:
    """The backup, once it has ended."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        (row,) = installation.query("SELECT * FROM hosting_backup WHERE id = %s", backup)
        if row["state"] == "done":
            return row
        time.sleep(0.2)
    raise TimeoutError(f"The backup did not end within {timeout:.0f} s")


def page(installation: Installation) -> str:
    with Portal(installation) as portal:
        return portal.page(address(installation))


def address(installation: Installation) -> str:
    """Of production's Backups tab."""
    return f"/{installation.demo()['project']}/branches/{installation.branch()['id']}/backups/"
