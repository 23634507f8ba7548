"""A push that updates what runs, on real machines: what people wrote stays, and all of it where the update fails."""

import re
import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.faults.changes import LIBRARY, VIEWS
from tests.installation import Installation
from tests.rows import BuildRow

pytestmark = pytest.mark.faults


@pytest.fixture
def first(installation: Installation) -> Iterator[tuple[str, BuildRow]]:
    """A development branch whose pushes update what runs, and its first build."""
    name = f"kept-{secrets.token_hex(3)}"
    build = installation.wait_for_build(installation.push({f"notes/{name}.txt": "1\n"}, f"Begin {name}", name))
    installation.query("UPDATE projects_branch SET on_push = 'update' WHERE name = %s", name)
    execute(installation, build, "INSERT INTO ir_config_parameter (key, value) VALUES ('berth.test', 'written')")
    yield name, build
    installation.clone().delete(name)


def execute(installation: Installation, build: BuildRow, statement: str) -> list[tuple[Any, ...]]:
    """In the build's own database."""
    name = f"b{installation.values['BERTH_INSTALLATION']}_i{build.instance}"
    with psycopg.connect(installation.values["BERTH_LAB_URL"], dbname=name) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def push_update(installation: Installation, branch: str, **files: str) -> BuildRow:
    """A commit with a newer version of a module, and its build."""
    manifest = str(installation.files([LIBRARY], branch)[LIBRARY])
    found = re.search(r'"version": "18\.0\.1\.0\.(\d+)"', manifest)
    assert found is not None
    newer = manifest.replace(found[0], f'"version": "18.0.1.0.{int(found[1]) + 1}"')
    return installation.wait_for_build(installation.push({LIBRARY: newer, **files}, "Update a module", branch))


def state(installation: Installation, build: BuildRow) -> tuple[Any, ...]:
    """What somebody wrote, and the version of the module."""
    (written,) = execute(installation, build, "SELECT value FROM ir_config_parameter WHERE key = 'berth.test'")
    asked = "SELECT latest_version FROM ir_module_module WHERE name = 'berth_library'"
    return (written[0], execute(installation, build, asked)[0][0])


def test_a_push_updates_the_modules_and_keeps_what_was_written(
    installation: Installation, first: tuple[str, BuildRow]
) -> None:
    branch, build = first
    written, version = state(installation, build)

    updated = push_update(installation, branch)

    assert (updated.result, updated.instance) == ("success", build.instance), updated
    assert updated.steps["update_production"].result == "success"
    after = state(installation, build)
    assert (after[0], after[1] != version) == (written, True)
    assert installation.answer("/web/login", updated).commit == updated.commit
    assert installation.settled() == []


def test_an_update_that_fails_leaves_all_as_it_was(installation: Installation, first: tuple[str, BuildRow]) -> None:
    branch, build = first
    before = state(installation, build)

    failed = push_update(installation, branch, **{VIEWS: "<odoo><record/></odoo>\n"})

    assert failed.result == "failure", failed
    assert state(installation, build) == before
    answer = installation.answer("/web/login", build)
    assert (answer.status, answer.commit) == (200, build.commit)
    assert installation.settled() == []
