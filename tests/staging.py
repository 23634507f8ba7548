"""Staging builds, as people ask for them: a branch on that stage, and builds of it."""

import secrets
from typing import Any

from tests.installation import STATIC_FILE, Installation
from tests.rows import BuildRow


def staged(installation: Installation, name: str) -> int:
    """The branch of this name on staging, made where there is none; without a copy, where it is new. Its id."""
    found = installation.query("SELECT id, stage FROM projects_branch WHERE name = %s AND deleted_at IS NULL", name)
    if not found:
        installation.wait_for_build(installation.push({STATIC_FILE: f"{name}\n"}, f"Begin {name}", name))
        return staged(installation, name)
    if found[0]["stage"] != "staging":
        installation.query(
            "UPDATE projects_branch SET stage = 'staging', instance_id = NULL WHERE id = %s", found[0]["id"]
        )
    return int(found[0]["id"])


def allow_age(installation: Installation, branch: int, hours: int) -> None:
    """How old what it copies may be; 0 means as production is."""
    installation.query("UPDATE projects_branch SET copy_hours = %s WHERE id = %s", hours, branch)


def push(installation: Installation, name: str) -> str:
    """A commit for a build of the branch; its hash."""
    return installation.push({STATIC_FILE: f"{secrets.token_hex(4)}\n"}, "Copy production", name)


def origin(installation: Installation, build: BuildRow) -> dict[str, Any]:
    """Where its database came from, as the build page says it."""
    (row,) = installation.query("SELECT origin FROM builds_build WHERE id = %s", build.id)
    return dict(row["origin"])


def kept(installation: Installation) -> list[int]:
    """Backups whose proven restore is there to be copied."""
    rows = installation.query(
        "SELECT b.id FROM hosting_backup b JOIN hosting_instance i ON i.id = b.drill_id WHERE i.state = 'ready'"
    )
    return [row["id"] for row in rows]


def step_seconds(installation: Installation, build: BuildRow, step: str) -> float:
    (row,) = installation.query(
        "SELECT extract(epoch FROM finished_at - started_at)::float AS seconds FROM portal_step"
        " WHERE story_id = %s AND name = %s",
        build.story,
        step,
    )
    return float(row["seconds"])
