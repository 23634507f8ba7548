"""Mails from inside a container to the page, on a real installation; and what a tenant may try with them."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hosting import mails
from hosting.walls import MAIL_PORT
from tests.faults.test_clean_up import clean_up
from tests.faults.test_odd_branches import wait_until_deleted
from tests.installation import STATIC_FILE, Installation
from tests.portal import Portal
from tests.rows import BuildRow
from tests.tenant import Tenant

pytestmark = pytest.mark.faults

AGAIN_S = 30.0
MANY = 2_000  # ten thousand, tried by hand, are the same for some minutes
SEND = """
import configparser, smtplib, sys
conf = configparser.RawConfigParser()
conf.read("/etc/odoo/odoo.conf")
server = conf["options"]["smtp_server"], conf["options"].getint("smtp_port")
count, subject, filler = int(sys.argv[1]), sys.argv[2], "x" * 70 + "\\r\\n"
lines = int(sys.argv[3])
try:
    with smtplib.SMTP(*server, timeout=60) as client:
        for number in range(count):
            text = f"From: Shop <shop@example.com>\\r\\nSubject: {subject} {number}\\r\\n\\r\\n" + filler * lines
            client.sendmail("shop@example.com", ["bob@example.com"], text)
    print(f"sent {count}")
except smtplib.SMTPException as error:
    print(type(error).__name__, error)
"""
FORGED = "Subject: forged\r\n\r\nNot from here.\r\n"


@pytest.fixture(scope="module")
def build(installation: Installation) -> BuildRow:
    return installation.wait_for_build(installation.push({STATIC_FILE: "mails\n"}, "Send mails", "mails"))


@pytest.fixture(scope="module")
def tenant(installation: Installation, build: BuildRow) -> Tenant:
    assert build.instance
    return Tenant(installation, build.instance)


@pytest.fixture(scope="module")
def neighbour(installation: Installation) -> Tenant:
    made = installation.wait_for_build(installation.push({STATIC_FILE: "more mails\n"}, "Hear mails", "more-mails"))
    assert made.instance
    return Tenant(installation, made.instance)


def send(tenant: Tenant, count: int, subject: str, lines: int = 1) -> str:
    """What came of sending so many mails by the server that Odoo's configuration names."""
    return tenant.run("python3", "-c", SEND, str(count), subject, str(lines)).strip()


def tab(installation: Installation, branch: str) -> str:
    (row,) = installation.query("SELECT id FROM projects_branch WHERE name = %s", branch)
    with Portal(installation) as portal:
        return portal.page(f"/{installation.demo()['project']}/branches/{row['id']}/mails/")


def catcher(installation: Installation) -> int:
    """The process that listens for mails; 0 while there is none."""
    return next((pid for pid in installation.processes("agent") if _listens(pid)), 0)


def _listens(pid: int) -> bool:
    try:
        rows = map(str.split, Path(f"/proc/{pid}/net/tcp").read_text().splitlines())
        there = {os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return False  # it has ended
    return any(f"socket:[{row[9]}]" in there for row in rows if row[1].endswith(f":{MAIL_PORT:04X}") and row[3] == "0A")


def until(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + AGAIN_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)
    return bool(condition())


def test_what_a_database_sends_is_on_its_branchs_page_and_on_no_other(
    installation: Installation, tenant: Tenant, neighbour: Tenant
) -> None:
    assert send(tenant, 1, "An offer") == "sent 1"
    assert "An offer 0" in tab(installation, "mails")
    assert "An offer" not in tab(installation, "more-mails")


def test_production_does_not_reach_the_catcher(installation: Installation, tenant: Tenant) -> None:
    host = urlsplit(installation.demo()["production_url"]).hostname
    (row,) = installation.query("SELECT id FROM hosting_instance WHERE hostname = %s AND state = 'ready'", host)
    gateway = tenant.run("sed", "-n", "s/^smtp_server = //p", "/etc/odoo/odoo.conf").strip()
    assert tenant.reaches(gateway, MAIL_PORT)
    assert not Tenant(installation, row["id"]).reaches(gateway, MAIL_PORT)


def test_thousands_fill_neither_the_disk_nor_the_neighbours_tab(
    installation: Installation, tenant: Tenant, neighbour: Tenant
) -> None:
    assert send(tenant, MANY, "Flood") == f"sent {MANY}"
    assert send(neighbour, 1, "Meanwhile") == "sent 1"
    (kept,) = installation.query("SELECT count(*) FROM hosting_mail WHERE subject LIKE 'Flood %%'")
    assert kept["count"] == mails.KEPT
    assert f"Flood {MANY - 1}" in tab(installation, "mails")
    assert "Meanwhile 0" in tab(installation, "more-mails")


def test_one_that_is_too_big_is_refused_and_the_next_is_kept(installation: Installation, tenant: Tenant) -> None:
    assert "552" in send(tenant, 1, "Huge", lines=mails.MESSAGE_BYTES // 70)
    assert send(tenant, 1, "Small") == "sent 1"
    assert "Small 0" in tab(installation, "mails")


def test_the_catcher_is_a_user_who_may_do_nothing(installation: Installation) -> None:
    status = Path(f"/proc/{catcher(installation)}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert len(set(fields["Uid"].split())) == 1
    assert fields["Uid"].split()[0] != "0"
    assert (fields["Groups"].strip(), int(fields["CapEff"], 16)) == ("", 0)


def test_a_catcher_that_is_killed_comes_back(installation: Installation, tenant: Tenant) -> None:
    before = catcher(installation)
    os.kill(before, signal.SIGKILL)
    assert until(lambda: catcher(installation) not in {0, before})
    assert send(tenant, 1, "Back") == "sent 1"


def test_it_goes_with_the_agent_and_comes_back_with_it(installation: Installation, tenant: Tenant) -> None:
    before = catcher(installation)
    os.kill(installation.pid("agent"), signal.SIGKILL)
    assert until(lambda: catcher(installation) not in {0, before})
    assert send(tenant, 1, "Back again") == "sent 1"


def test_mails_go_with_their_database(installation: Installation, tenant: Tenant) -> None:
    assert send(tenant, 1, "Last") == "sent 1"
    installation.clone().delete("mails")
    wait_until_deleted(installation, "mails")
    clean_up(installation)
    assert installation.query("SELECT id FROM hosting_mail WHERE subject LIKE 'Last %%'") == []
