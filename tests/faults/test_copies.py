"""Staging copies on the real path: half of one never serves, it can't touch production, and production's keys are none
of its own.
"""

import contextlib
import http.client
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests import backups, staging
from tests.faults.attaching import attached
from tests.holding import Moment, hold
from tests.installation import Installation
from tests.rows import BuildRow
from tests.tenant import Tenant
from tests.users import Session, result

pytestmark = pytest.mark.faults

BRANCH = "copies"
STEP = "prepare_staging"
WAYS = {"restore": 24, "live": 0}  # with how old a copy may be, in hours


@pytest.fixture(scope="module")
def branch(installation: Installation) -> int:
    return staging.staged(installation, BRANCH)


@pytest.fixture(scope="module")
def kept(installation: Installation, branch: int) -> int:
    """A backup whose proven restore stays."""
    assert backups.end(installation, backups.ask(installation))["proof"] == "proven"
    (found,) = staging.kept(installation)
    return found


@pytest.fixture
def attachment(installation: Installation) -> Iterator[Path]:
    with attached(installation, 100_000) as file:
        yield file


def copied(installation: Installation, branch: int, way: str) -> BuildRow:
    staging.allow_age(installation, branch, WAYS[way])
    build = installation.wait_for_build(staging.push(installation, BRANCH))
    assert build.result in ("success", "warning"), build
    assert staging.origin(installation, build)["way"] == way
    return build


def in_copy(tenant: Tenant, statement: str) -> str:
    """What `psql` in the copy's own container says."""
    return tenant.run("psql", "--tuples-only", "--no-align", "--command", statement).strip()


def test_a_copy_of_a_proven_restore_serves_what_was_backed_up(
    installation: Installation, branch: int, kept: int
) -> None:
    build = copied(installation, branch, "restore")
    assert staging.origin(installation, build)["backup"] == kept
    assert installation.answer("/web/login", build).status == 200
    assert build.instance
    tenant = Tenant(installation, build.instance)
    assert in_copy(tenant, "SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized'") == "true"
    assert installation.settled() == []


def test_it_can_not_write_to_productions_files(installation: Installation, branch: int, attachment: Path) -> None:
    content = attachment.read_bytes()
    build = copied(installation, branch, "live")
    assert build.instance
    tenant = Tenant(installation, build.instance)
    name = f"b{installation.values['BERTH_INSTALLATION']}_i{build.instance}"
    mine = f"/var/lib/odoo/filestore/{name}/{attachment.parent.name}/{attachment.name}"
    assert tenant.run("sha1sum", mine).split()[0] == attachment.name
    for attempt in (f"echo gone > {mine}", f"chmod u+w {mine}", f"truncate -s 0 {mine}", f"ln {mine} /var/lib/odoo/x"):
        tenant.run("sh", "-c", attempt)
        assert attachment.read_bytes() == content, attempt
    tenant.run(
        "sh", "-c", f"cp {mine} {mine}.new && chmod u+w {mine}.new && mv -f {mine}.new {mine} && echo mine > {mine}"
    )
    assert tenant.run("cat", mine).strip() == "mine"  # its own by now
    assert attachment.read_bytes() == content
    production = Tenant(installation, int(attachment.parents[1].name.rpartition("_i")[2]))
    inside = f"/var/lib/odoo/filestore/{attachment.parents[1].name}/{attachment.parent.name}/{attachment.name}"
    assert production.run("sha1sum", inside).split()[0] == attachment.name  # its owner still reads it,
    production.run("rm", "-f", inside)  # and removes it as Odoo does
    assert not attachment.exists()
    attachment.write_bytes(content)


@pytest.fixture
def api_key(installation: Installation) -> Iterator[None]:
    """Of production. The stand-in has no table for it; the real one's stays as it is."""
    (row,) = installation.in_production("SELECT to_regclass('res_users_apikeys') AS there, current_database() AS role")
    if row["there"]:
        yield
        return
    installation.in_production("CREATE TABLE res_users_apikeys AS SELECT 1 AS id, 'hash' AS key")
    installation.in_production(f"ALTER TABLE res_users_apikeys OWNER TO {row['role']}")
    yield
    installation.in_production("DROP TABLE res_users_apikeys")


def signed_in(installation: Installation, session: Session, build: BuildRow) -> tuple[bool, bool]:
    """Whether production's session is one on the copy, and whether it still is on production."""
    asked, parts = session.call("search_count", []), urlsplit(installation.demo()["production_url"])
    said = []
    for host in (f"{installation.hostname(build)}:{parts.port}", parts.netloc):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", parts.port, timeout=60)) as connection:
            headers = {"Host": host, "Cookie": asked.cookie, "Content-Type": "application/json"}
            connection.request("POST", asked.path, asked.body, headers)
            said.append(result(connection.getresponse().read())[1] == "")
    return said[0], said[1]


@pytest.mark.parametrize("way", WAYS)
def test_productions_keys_are_none_of_the_copys(
    installation: Installation, branch: int, api_key: None, way: str
) -> None:
    """Neither what it signs with, nor keys that people and programs sign in with."""
    if way == "restore":
        assert backups.end(installation, backups.ask(installation))["proof"] == "proven"
    session = installation.sign_in()
    secret = "SELECT value FROM ir_config_parameter WHERE key = 'database.{}'"
    build = copied(installation, branch, way)
    assert build.instance
    tenant = Tenant(installation, build.instance)
    for name in ("secret", "uuid"):
        (row,) = installation.in_production(secret.format(name))
        copys = in_copy(tenant, secret.format(name))
        assert copys
        assert copys != row["value"]
    assert in_copy(tenant, "SELECT count(*) FROM res_users_apikeys") == "0"
    (keys,) = installation.in_production("SELECT count(*) AS number FROM res_users_apikeys")
    (row,) = installation.query("SELECT neutralised FROM hosting_instance WHERE id = %s", build.instance)
    assert row["neutralised"]["found"].get("API keys", 0) == keys["number"]
    assert row["neutralised"]["at"]
    assert signed_in(installation, session, build) == (False, True)


@pytest.mark.parametrize("moment", [Moment.BEGINS, Moment.MIDDLE, Moment.ENDS])
@pytest.mark.parametrize("way", WAYS)
def test_half_a_copy_never_serves(installation: Installation, branch: int, kept: int, way: str, moment: Moment) -> None:
    staging.allow_age(installation, branch, WAYS[way])
    before = installation.query("SELECT instance_id FROM projects_branch WHERE id = %s", branch)
    with hold(installation, STEP, moment) as held:
        sha = staging.push(installation, BRANCH)
        held.wait()
        installation.kill("worker")
        half = installation.builds(sha)[0]
        assert installation.query("SELECT instance_id FROM projects_branch WHERE id = %s", branch) == before
        if half.instance:
            assert serving(installation, half.instance) == 0
    build = installation.wait_for_build(sha)
    assert build.result in ("success", "warning"), build
    assert build.steps[STEP].attempts <= 2
    assert installation.answer("/web/login", build).commit == sha
    assert staging.origin(installation, build)["way"] == way
    assert installation.settled() == []


def serving(installation: Installation, instance: int) -> int:
    """Pools of it that get requests, or may."""
    return len(installation.query("SELECT id FROM hosting_pool WHERE instance_id = %s AND state = 'live'", instance))


def test_where_the_proven_restore_is_gone_production_is_copied(
    installation: Installation, branch: int, kept: int
) -> None:
    """`lab` may lose what it has."""
    (now,) = staging.kept(installation)
    (row,) = installation.query("SELECT drill_id FROM hosting_backup WHERE id = %s", now)
    name = f"b{installation.values['BERTH_INSTALLATION']}_i{row['drill_id']}"
    with psycopg.connect(installation.values["BERTH_LAB_URL"], autocommit=True) as lab:
        lab.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    staging.allow_age(installation, branch, WAYS["restore"])
    build = installation.wait_for_build(staging.push(installation, BRANCH))
    assert (build.result, staging.origin(installation, build)["way"]) == ("success", "live"), build
    assert staging.kept(installation) == []


def test_after_all_this_only_one_proven_restore_is_kept(installation: Installation, branch: int) -> None:
    assert backups.end(installation, backups.ask(installation))["proof"] == "proven"
    deadline = time.monotonic() + 60
    while len(staging.kept(installation)) != 1 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert len(staging.kept(installation)) == 1
    assert installation.settled() == []
