"""schemathesis against the schema that a running installation serves, with all its checks."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.processes import CHECKOUT
from portal.commands import run
from tests.installation import Installation

pytestmark = pytest.mark.e2e


# It sends one key with several bodies, which the API refuses with 422 as it says. And what is posted to `backups/` is
# answered with an operation, whose number it takes for the backup's.
SETTINGS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 422]

[[operations]]
include-operation-id = ["show_backup", "delete_backup", "restore_backup", "restore_into_staging"]
checks.ensure_resource_availability.enabled = false
"""


KEPT = {
    "projects_project": "name, public, time_zone, backup_hour",
    "projects_branch": "on_push, strategy, keep_minutes, drain_seconds, probe_path, run_tests",
}


@pytest.fixture
def settings_kept(installation: Installation) -> Iterator[None]:
    """It gives projects and branches whatever the schema allows: others look for them by what they had."""
    before = {table: installation.query(f"SELECT id, {columns} FROM {table}") for table, columns in KEPT.items()}
    yield
    for table, columns in KEPT.items():
        names = columns.split(", ")
        change = ", ".join(f"{name} = %s" for name in names)
        for row in before[table]:
            values = [row[name] for name in names]
            installation.query(f"UPDATE {table} SET {change} WHERE id = %s", *values, row["id"])


def how() -> list[str]:
    """The same requests in each usual run, so that what fails is a change's doing; others whenever all is run."""
    if os.environ.get("BERTH_TEST_ALL"):
        return ["--max-examples", "25"]
    return ["--max-examples", "10", "--generation-deterministic"]


@pytest.mark.usefixtures("settings_kept")
def test_the_served_schema_is_kept(installation: Installation, tmp_path: Path) -> None:
    demo = installation.demo()
    argv = [str(CHECKOUT / ".venv" / "bin" / "schemathesis"), "run", f"{demo['portal_url']}/api/v1/schema/"]
    argv += ["--header", f"Authorization: Bearer {demo['api_token']}", "--checks", "all", "--workers", "1"]
    argv += ["--rate-limit", "500/m", "--exclude-operation-id", "revoke_token", "--no-color"]
    argv += how()
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    result = run(argv, timeout=1800, cwd=tmp_path, env=dict(os.environ), check=False)

    print(result.output)
    assert result.exit_code == 0, result.output[-8000:]
