"""The private clusters on the real PostgreSQL: made once, repaired, and closed to whoever has no password."""

import os
import secrets
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import psycopg
import pytest

from deploy import engine, environment, homes, networks, postgresql
from deploy.clusters import Cluster, plan
from deploy.environment import CLUSTER_URLS
from deploy.packages import postgresql_bin
from deploy.progress import Progress
from hosting.engines.docker import Docker
from images.build import ensure_stand_in
from portal.commands import discard, run

pytestmark = pytest.mark.engine

PREFIX = "berth-clusters-"
Bring = Callable[[], str]


def free_port() -> str:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return str(bound.getsockname()[1])


def remove(home: Path) -> None:
    values = environment.saved(home)
    if values:
        postgresql.stop(home, values)
        networks.remove(values, engine.DEFAULT_URL)
        postgresql.remove_sockets(values)
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    for left in Path("/var/tmp").glob(f"{PREFIX}*"):
        remove(left)
    folder = homes.prepare(Path(f"/var/tmp/{PREFIX}{secrets.token_hex(3)}"), Progress(StringIO()))
    yield folder
    remove(folder)


@pytest.fixture(scope="module")
def values(home: Path) -> environment.Environment:
    ports = {name: free_port() for name in environment.PORTS}
    return environment.prepare(home, ports, engine.taken_subnets(engine.DEFAULT_URL))


@pytest.fixture
def bring_up(home: Path, values: environment.Environment) -> Bring:
    """Brings networks and clusters up, and returns what was said."""

    def bring() -> str:
        said = StringIO()
        networks.ensure(values, engine.DEFAULT_URL, Progress(said))
        postgresql.ensure(home, values, Progress(said))
        return said.getvalue()

    bring()
    return bring


@pytest.fixture
def lab(home: Path, values: environment.Environment) -> Cluster:
    return plan(home / "pg", values, memory=0)[2]


def ask(url: str, query: str) -> object:
    with psycopg.connect(url, connect_timeout=5) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def started(values: environment.Environment) -> list[object]:
    return [ask(values[url.variable], "SELECT pg_postmaster_start_time()") for url in CLUSTER_URLS.values()]


@pytest.mark.usefixtures("bring_up")
def test_every_cluster_answers_with_its_settings(values: environment.Environment) -> None:
    assert ask(values["BERTH_HOSTED_URL"], "SHOW fsync") == "on"
    assert ask(values["BERTH_LAB_URL"], "SHOW fsync") == "off"
    assert ask(values["BERTH_DATABASE_URL"], "SHOW data_checksums") == "on"


@pytest.mark.usefixtures("bring_up")
def test_the_portal_is_no_administrator(values: environment.Environment) -> None:
    assert ask(values["BERTH_DATABASE_URL"], "SELECT current_user::text") == "berth"
    assert ask(values["BERTH_DATABASE_URL"], "SELECT rolsuper FROM pg_roles WHERE rolname = 'berth'") is False


@pytest.mark.usefixtures("bring_up")
def test_a_local_connection_needs_the_password_too(values: environment.Environment, lab: Cluster) -> None:
    without = f"host={lab.sockets} port={lab.port} user=berth_admin dbname=postgres password=wrong"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(without, "SELECT 1")


@pytest.mark.usefixtures("bring_up")
def test_a_role_without_a_grant_enters_no_maintenance_database(values: environment.Environment) -> None:
    url = values["BERTH_LAB_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE nobody LOGIN PASSWORD 'nobody'")
        try:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                ask(
                    url.replace(values["BERTH_PG_ADMIN_PASSWORD"], "nobody").replace("berth_admin", "nobody"),
                    "SELECT 1",
                )
        finally:
            connection.execute("DROP ROLE nobody")


@pytest.fixture
def tenant(values: environment.Environment, bring_up: Bring) -> Iterator[str]:
    """A role of a hosted database; its password is its name."""
    with psycopg.connect(values["BERTH_LAB_URL"], autocommit=True) as connection:
        connection.execute("CREATE ROLE tenant LOGIN PASSWORD 'tenant'")
        connection.execute("GRANT CONNECT ON DATABASE postgres TO tenant")
        yield "tenant"
        connection.execute("DROP OWNED BY tenant")
        connection.execute("DROP ROLE tenant")


def psql(values: environment.Environment, network: str, cluster: Cluster, user: str, password: str) -> str:
    """What psql says in a container of the tenants' network `network`."""
    target = f"host={cluster.listen[1]} port={cluster.port} user={user} dbname=postgres connect_timeout=3"
    name = f"berth-{values['BERTH_INSTALLATION']}-{network}"
    image = ensure_stand_in("18.0", discard)
    command = ["docker", "run", "--rm", "--network", name, "--env", f"PGPASSWORD={password}", "--entrypoint", "psql"]
    return run([*command, image, "-AtX", "-c", "SELECT 'entered'", target], timeout=60, check=False).output


def test_a_tenant_reaches_its_cluster_at_the_gateway(
    values: environment.Environment, lab: Cluster, tenant: str
) -> None:
    assert psql(values, "lab", lab, tenant, tenant) == "entered\n"


def test_a_tenant_is_no_administrator_though_he_knew_the_password(
    values: environment.Environment, lab: Cluster, tenant: str
) -> None:
    assert "pg_hba.conf rejects" in psql(values, "lab", lab, "berth_admin", values["BERTH_PG_ADMIN_PASSWORD"])


def test_a_tenant_of_production_does_not_reach_the_lab(
    values: environment.Environment, lab: Cluster, tenant: str
) -> None:
    assert "entered" not in psql(values, "prod", lab, tenant, tenant)


def test_berth_itself_reaches_a_tenants_database_at_the_gateway(lab: Cluster, tenant: str) -> None:
    target = f"host={lab.listen[1]} port={lab.port} user={tenant} password={tenant} dbname=postgres"
    assert ask(target, "SELECT current_user::text") == "tenant"


def test_bringing_up_again_restarts_nothing(values: environment.Environment, bring_up: Bring) -> None:
    before = started(values)
    assert bring_up() == ""
    assert started(values) == before


def test_a_killed_cluster_is_repaired_though_its_number_is_another_server_now(
    home: Path, values: environment.Environment, bring_up: Bring, lab: Cluster
) -> None:
    pid_file = lab.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    os.kill(int(lines[0]), signal.SIGKILL)
    # What a machine that lost its power leaves: a number that belongs, by chance, to another server of the same user.
    other = (home / "pg" / "portal" / "postmaster.pid").read_text().splitlines()[0]
    pid_file.write_text("\n".join([other, *lines[1:]]) + "\n")
    bring_up()
    assert ask(values["BERTH_LAB_URL"], "SELECT 1") == 1
    assert ask(values["BERTH_DATABASE_URL"], "SELECT 1") == 1


def test_a_changed_access_rule_is_put_back(values: environment.Environment, bring_up: Bring, lab: Cluster) -> None:
    rules = lab.data / "pg_hba.conf"
    wanted = rules.read_text()
    rules.write_text("host all all 0.0.0.0/0 trust\n")
    bring_up()
    assert rules.read_text() == wanted


def test_a_cluster_that_was_started_without_its_network_is_restarted(
    home: Path, values: environment.Environment, bring_up: Bring, lab: Cluster
) -> None:
    postgresql.stop(home, values)
    networks.remove(values, engine.DEFAULT_URL)
    postgresql.pg_ctl(postgresql_bin({}), lab, "start", "-l", str(lab.data / "start.log"))
    assert "restarting the cluster lab" in bring_up()
    with socket.create_connection((lab.listen[1], lab.port), timeout=5):
        pass


def test_stopping_stops_them_all(home: Path, values: environment.Environment, bring_up: Bring) -> None:
    postgresql.stop(home, values)
    assert not [cluster.name for cluster in plan(home / "pg", values, memory=0) if postgresql.is_running(cluster)]
    bring_up()
    assert len(started(values)) == 3


def test_removing_leaves_no_network(values: environment.Environment, bring_up: Bring) -> None:
    networks.remove(values, engine.DEFAULT_URL)
    with Docker(engine.DEFAULT_URL, values["BERTH_INSTALLATION"]) as docker:
        names = {network["Name"] for network in docker.api.networks()}
    assert not names & set(networks.bridges(values))
    bring_up()
