"""A machine is lost with all that was on it; an empty one gets everything back from a place and the recovery key."""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from portal.commands import CommandError
from tests.backups import ask, end
from tests.faults.changes import change_static_file
from tests.installation import HOMES, Installation

pytestmark = pytest.mark.faults
PATIENCE_S = 600.0
KEYS = "SELECT id, key FROM hosting_vault ORDER BY id"
PROJECTS = "SELECT slug, repository, webhook_secret, token FROM projects_project ORDER BY id"
LOGINS = "SELECT login, password FROM res_users ORDER BY id"


def test_everything_is_back_on_an_empty_machine(tmp_path: Path) -> None:
    """The repository's host (here: the stand-in's folder) and the place outlive the machine."""
    place = tmp_path / "place"
    place.mkdir()
    with Installation.bring_up() as lost:
        build = lost.wait_for_build(change_static_file(lost))
        lost.berth("place", "add", "attic", str(place))
        lost.in_production("CREATE TABLE made AS SELECT generate_series(1, 1000) AS id")
        lost.in_production(f"ALTER TABLE made OWNER TO {database(lost)}")
        assert end(lost, ask(lost))["proof"] == "proven"
        wait_for(lost, "SELECT 1 FROM hosting_vaultcopy_backups")
        said = lost.berth("backup-self")
        before = [lost.query(KEYS), lost.query(PROJECTS), lost.in_production(LOGINS), lost.values]
        shutil.copytree(lost.home / "fakehub", tmp_path / "fakehub", symlinks=True)
        address, key = f"{place}/{lost.values['BERTH_INSTALLATION']}", lost.values["BERTH_RECOVERY_KEY"]
        assert f"bin/berth restore-self {address}" in said
        assert key not in said
    found = Installation(HOMES / f"{lost.home.name}-anew")
    try:
        found.home.mkdir()
        shutil.copytree(tmp_path / "fakehub", found.home / "fakehub", symlinks=True)
        with pytest.raises(CommandError, match="wrong password"):
            found.berth("restore-self", address, BERTH_RECOVERY_KEY="another")
        began = time.monotonic()
        found.berth("restore-self", address, BERTH_RECOVERY_KEY=key)
        answer = wait_for_answer(found)
        print(f"the production address answers after {time.monotonic() - began:.0f} s")
        assert answer == build.commit
        assert [found.query(KEYS), found.query(PROJECTS), found.in_production(LOGINS), found.values] == before
        assert found.in_production("SELECT count(*) AS rows FROM made") == [{"rows": 1000}]
        assert found.settled() == []
        assert end(found, ask(found))["proof"] == "proven"
        with pytest.raises(CommandError, match="There is an installation"):
            found.berth("restore-self", address, BERTH_RECOVERY_KEY=key)
    finally:
        found.purge()


def database(installation: Installation) -> str:
    (row,) = installation.in_production("SELECT current_database() AS name")
    return str(row["name"])


def wait_for(installation: Installation, asked: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + PATIENCE_S
    while not (rows := installation.query(asked)):
        assert time.monotonic() < deadline, asked
        time.sleep(1)
    return rows


def wait_for_answer(installation: Installation) -> str:
    """The commit with which production answers, once it does."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := installation.answer("/web/login")).status != 200:
        assert time.monotonic() < deadline, answer
        time.sleep(1)
    return answer.commit
