"""bin/berth as a person uses it, from the login to the rollback, on a running installation."""

import json
import os
import re
import secrets
from pathlib import Path

import pytest

from deploy.processes import CHECKOUT
from portal.commands import Result, run
from tests.faults.changes import change_static_file
from tests.installation import Installation

pytestmark = pytest.mark.e2e


class Terminal:
    """bin/berth with a home folder of its own, and nothing of the installation's settings."""

    def __init__(self, installation: Installation, home: Path) -> None:
        self.demo = installation.demo()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BERTH_", "DJANGO_"))}
        self.environment = kept | {"XDG_CONFIG_HOME": str(home)}

    def berth(self, *arguments: str, stdin: str = "", ends: int = 0) -> str:
        argv = [str(CHECKOUT / "bin" / "berth"), *arguments]
        result: Result = run(argv, timeout=600, cwd=CHECKOUT, env=self.environment, stdin=stdin.encode(), check=False)
        assert result.exit_code == ends, result.output
        return result.output


@pytest.fixture
def terminal(installation: Installation, tmp_path: Path) -> Terminal:
    return Terminal(installation, tmp_path)


def test_from_the_login_to_the_rollback(terminal: Terminal, installation: Installation, tmp_path: Path) -> None:
    berth, demo = terminal.berth, terminal.demo
    assert "Nobody is logged in" in berth("projects", ends=1)
    assert "not known here" in berth("login", demo["portal_url"], stdin="berth_wrong\n", ends=1)
    assert "as alice, scope admin" in berth("login", demo["portal_url"], stdin=f"{demo['api_token']}\n")
    file = tmp_path / "berth" / "account.json"
    assert (json.loads(file.read_text())["token"], file.stat().st_mode & 0o777) == (demo["api_token"], 0o600)
    assert re.search(r"^demo\s+Odoo", berth("projects"), re.MULTILINE)

    before = installation.branch()["id"]
    sha = change_static_file(installation)
    pushed = berth("push", "status", "demo", sha, "--wait")
    assert f"serves, at commit {sha}" in pushed
    assert f"{sha[:7]}" in berth("builds", "demo", "--branch", "main")
    assert "It would:" in berth("deploy", "demo", "main", "--dry-run")
    deployed = berth("deploy", "demo", "main")
    number = re.search(r"#(\d+) serves", deployed)
    assert number is not None, deployed
    assert "$ " in berth("logs", "demo", "--build", number[1])
    assert "INFO" in berth("logs", "demo")

    foretold = berth("rollback", "demo", "--dry-run")
    assert f"go back from #{number[1]}" in foretold
    rolled_back = berth("rollback", "demo")
    assert re.search(r"success: #\d+ serves again", rolled_back)
    assert f"#{number[1]} serves" not in rolled_back
    assert installation.branch()["id"] == before


def test_a_backup_a_token_and_what_a_weak_one_may_not(terminal: Terminal) -> None:
    berth, demo = terminal.berth, terminal.demo
    berth("login", demo["portal_url"], stdin=f"{demo['api_token']}\n")
    assert "restored and opened for proof" in berth("backup", "demo")
    assert "proven" in berth("backup", "demo", "--list")

    weak = berth("token", "make", "weak", "--scope", "read", "--project", "demo", "--days", "1").strip()
    assert weak.startswith("berth_")
    listed = re.search(r"^(\d+)\s+weak\s+read\s+demo", berth("token", "list"), re.MULTILINE)
    assert listed is not None

    terminal.environment |= {"BERTH_URL": demo["portal_url"], "BERTH_TOKEN": weak}
    assert "scope is 'read'" in berth("deploy", "demo", "main", ends=1)
    assert "#" in berth("builds", "demo")
    del terminal.environment["BERTH_TOKEN"]
    berth("token", "revoke", listed[1])
    terminal.environment["BERTH_TOKEN"] = weak
    assert "revoked" in berth("builds", "demo", ends=1)


def test_a_domain_is_claimed_with_what_dns_has_to_say_and_given_up(terminal: Terminal) -> None:
    berth, demo = terminal.berth, terminal.demo
    berth("login", demo["portal_url"], stdin=f"{demo['api_token']}\n")
    name = f"www-{secrets.token_hex(3)}.example.com"

    assert f"_berth.{name} TXT berth-verification=" in berth("domain", "add", "demo", name)
    assert name in berth("domain", "list", "demo")
    assert "belongs to main no more" in berth("domain", "remove", "demo", name, "--dry-run")
    berth("domain", "remove", "demo", name)

    assert name not in berth("domain", "list", "demo")
