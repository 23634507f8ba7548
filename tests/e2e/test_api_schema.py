"""schemathesis against the schema that a running installation serves, with all its checks.

Its requests come from Oscar, who is a member of one project alone, made for them: whatever they do, the demo's project
is none of theirs.
"""

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy import following
from deploy.caller import Account, Api
from deploy.processes import CHECKOUT
from portal.commands import run
from tests.e2e.conftest import Portal
from tests.e2e.repositories import new_repository

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
NOT_FUZZED = ("revoke_token",)  # it would find its own
PER_MINUTE = 600  # requests, where the installation says nothing else


@dataclass(frozen=True)
class Target:
    url: str
    token: str
    per_minute: int


@pytest.fixture
def target(portal: Portal, tmp_path: Path) -> Iterator[Target]:
    installation, name = portal.installation, f"fuzzed-{secrets.token_hex(3)}"
    new_repository(installation, tmp_path, name, "oscar")
    portal.sign_in("Oscar")
    per_minute = int(installation.values.get("BERTH_API_PER_MINUTE", PER_MINUTE))
    made = Target(portal.url, new_token(portal), per_minute)
    api = Api(Account(made.url, made.token))
    begun = api.write("POST", "projects/", {"repository": f"oscar/{name}", "slug": name, "series": "18.0"})
    assert following.follow(api, name, begun["operation"]) == 0
    yield made
    api.write("POST", f"projects/{name}/delete/", {"confirm": name})


def new_token(portal: Portal) -> str:
    """For everything, of whoever is signed in."""
    page = portal.page
    portal.open("/account/tokens/")
    page.get_by_label("What is it for?").fill("schemathesis")
    page.get_by_label("Everything that you may").check()
    page.get_by_role("button", name="Make the token").click()
    shown = page.locator('[data-copy^="berth_"]').first.get_attribute("data-copy")
    assert shown is not None
    return shown


def how() -> list[str]:
    """The same requests in each usual run, so that what fails is a change's doing; others whenever all is run."""
    if os.environ.get("BERTH_TEST_ALL"):
        return ["--max-examples", "25"]
    return ["--max-examples", "10", "--generation-deterministic"]


def test_the_served_schema_is_kept(target: Target, tmp_path: Path) -> None:
    argv = [str(CHECKOUT / ".venv" / "bin" / "schemathesis"), "run", f"{target.url}/api/v1/schema/"]
    argv += ["--header", f"Authorization: Bearer {target.token}", "--checks", "all", "--workers", "1", "--no-color"]
    argv += ["--rate-limit", f"{target.per_minute * 5 // 6}/m"]
    for name in NOT_FUZZED:
        argv += ["--exclude-operation-id", name]
    argv += how()
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    result = run(argv, timeout=3600, cwd=tmp_path, env=dict(os.environ), check=False)

    print(result.output)
    assert result.exit_code == 0, result.output[-8000:]
