"""Backups taken away, restored and imported, as an admin does it on the pages of an installation."""

import time
from pathlib import Path
from typing import Any

from tests.installation import Installation
from tests.portal import Portal

PATIENCE_S = 900.0
PIECE = 3_000_000


def pages(installation: Installation, stage: str = "production") -> str:
    return f"/{installation.demo()['project']}/branches/{installation.branch(stage=stage)['id']}"


def download(installation: Installation, backup: int, form: str, target: Path) -> Path:
    """Ask for a file of a backup and fetch it, in two parts."""
    with Portal(installation) as portal:
        page = f"{pages(installation)}/backups/{backup}/"
        portal.page(page)
        portal.post(f"{page}download/", form=form)
        (row,) = installation.query("SELECT max(id) AS id FROM builds_download")
        made = ended(installation, "builds_download", row["id"])
        assert made["result"] == "success", told(installation, made)
        url = f"{pages(installation)}/downloads/{row['id']}/"
        first = portal.fetch(url, Range="bytes=0-999")
        rest = portal.fetch(url, Range="bytes=1000-", **{"If-Range": first.headers["ETag"]})
        assert (first.status_code, rest.status_code) == (206, 206)
        target.write_bytes(first.content + rest.content)
    assert target.stat().st_size == made["size_bytes"]
    return target


def restore(installation: Installation, backup: int) -> int:
    """Type the project's name on the backup's page. Returns the restore."""
    with Portal(installation) as portal:
        page = f"{pages(installation)}/backups/{backup}/restore/"
        portal.page(page)
        portal.post(page, typed=installation.demo()["project"])
    return newest(installation, "builds_restore")


def upload(installation: Installation, archive: Path, stage: str = "production") -> dict[str, Any]:
    """Send an archive in pieces. Returns the row once it was looked at."""
    content = archive.read_bytes()
    with Portal(installation) as portal:
        portal.page(f"{pages(installation, stage)}/import/")
        size = str(len(content))
        begun = portal.ask(f"{pages(installation, stage)}/import/begin/", name=archive.name, size=size)
        at = begun["received"]
        while at < len(content):
            piece = f"{pages(installation, stage)}/uploads/{begun['upload']}/piece/?offset={at}"
            at = portal.send(piece, content[at : at + PIECE])["received"]
    return ended(installation, "builds_upload", begun["upload"])


def import_here(installation: Installation, upload: int, stage: str = "production") -> int:
    """Type the project's name on the archive's page. Returns the restore, or the build of staging."""
    with Portal(installation) as portal:
        page = f"{pages(installation, stage)}/uploads/{upload}/"
        portal.page(page)
        portal.post(f"{page}import/", typed=installation.demo()["project"])
    return newest(installation, "builds_restore" if stage == "production" else "builds_build")


def newest(installation: Installation, table: str) -> int:
    return int(installation.query(f"SELECT max(id) AS id FROM {table}")[0]["id"])


def ended(installation: Installation, table: str, pk: int) -> dict[str, Any]:
    """The row, once it has ended. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        (row,) = installation.query(f"SELECT * FROM {table} WHERE id = %s", pk)
        if row["state"] == "done":
            return row
        time.sleep(0.2)
    raise TimeoutError(f"{table} {pk} did not end within {PATIENCE_S:.0f} s")


def told(installation: Installation, row: dict[str, Any]) -> str:
    """How the story of a row ended badly."""
    (story,) = installation.query("SELECT * FROM portal_story WHERE id = %s", row["story_id"])
    return f"{story['error_title']}: {story['error_detail']}"
