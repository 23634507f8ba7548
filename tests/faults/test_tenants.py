"""What the code of a hosted database may try from inside its container on a real installation."""

import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.engine.outside import Outside, outside
from tests.faults.changes import change_static_file
from tests.installation import STATIC_FILE, Installation
from tests.portal import Portal
from tests.rows import BuildRow
from tests.tenant import Tenant

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def development(installation: Installation) -> BuildRow:
    """A build of a development branch, running."""
    return installation.wait_for_build(installation.push({STATIC_FILE: "tenant\n"}, "A tenant", "tenant"))


@pytest.fixture(scope="module")
def lab(installation: Installation, development: BuildRow) -> Tenant:
    assert development.instance
    return Tenant(installation, development.instance)


@pytest.fixture(scope="module")
def neighbour(installation: Installation) -> Tenant:
    build = installation.wait_for_build(installation.push({STATIC_FILE: "neighbour\n"}, "A neighbour", "neighbour"))
    assert build.instance
    return Tenant(installation, build.instance)


@pytest.fixture
def prod(installation: Installation) -> Tenant:
    host = urlsplit(installation.demo()["production_url"]).hostname
    (row,) = installation.query("SELECT id FROM hosting_instance WHERE hostname = %s AND state = 'ready'", host)
    return Tenant(installation, row["id"])


@pytest.fixture(scope="module")
def world(installation: Installation) -> Iterator[Outside]:
    """A make-believe Internet on this machine: nothing is sent to a real one."""
    with outside(installation.values["BERTH_INSTALLATION"]) as made:
        yield made


@pytest.fixture
def host_port() -> Iterator[int]:
    """A server of this machine that listens on all of its addresses."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        threading.Thread(target=_accept, args=(listener,), daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket) -> None:
    try:
        while True:
            listener.accept()[0].close()
    except OSError:
        return  # the test is over


@pytest.fixture
def log_page(installation: Installation, development: BuildRow) -> str:
    return f"/{installation.demo()['project']}/builds/{development.number}/logs/"


@pytest.mark.parametrize("link", ["/etc/shadow", "../../../.env", "/proc/1/environ"])
def test_a_log_that_is_a_link_shows_nothing_of_the_host(
    installation: Installation, lab: Tenant, log_page: str, link: str
) -> None:
    lab.run("sh", "-c", f"cd /var/log/odoo && mv {lab.log} odoo-kept.log && ln -s {link} {lab.log}")
    with Portal(installation) as portal:
        shown = portal.page(log_page)
        answers = [portal.status(f"{log_page}?file={lab.log}{more}") for more in ("", "&download")]
    lab.run("sh", "-c", f"cd /var/log/odoo && mv -f odoo-kept.log {lab.log}")
    assert "odoo-kept.log" in shown
    assert [secret for secret in ("root:", "BERTH_", "PATH=") if secret in shown] == []
    assert answers == [404, 404]


def test_a_log_that_is_a_pipe_keeps_no_page_waiting(installation: Installation, lab: Tenant, log_page: str) -> None:
    lab.run("mkfifo", "/var/log/odoo/odoo-pipe.log")
    with Portal(installation) as portal:
        status = portal.status(f"{log_page}?file=odoo-pipe.log")
    lab.run("rm", "/var/log/odoo/odoo-pipe.log")
    assert status == 404


def test_neighbours_can_not_hear_each_other(lab: Tenant, neighbour: Tenant, prod: Tenant) -> None:
    reached = {
        f"{one.container} to {other.container}:{port}": one.reaches(other.address, port)
        for one, other in ((lab, neighbour), (neighbour, lab), (lab, prod), (prod, lab))
        for port in (8069, 8072)
    }
    assert [way for way, works in reached.items() if works] == []
    assert lab.reaches("127.0.0.1", 8069)


def test_of_the_host_a_tenant_reaches_its_own_cluster_alone(
    installation: Installation, lab: Tenant, prod: Tenant, host_port: int
) -> None:
    values = installation.values
    own = {"prod": int(values["BERTH_PG_HOSTED_PORT"]), "lab": int(values["BERTH_PG_LAB_PORT"])}
    portal = [int(values[f"BERTH_{name}_PORT"]) for name in ("PORTAL", "ROUTER", "FAKEHUB", "PG_PORTAL")]
    for tenant, name in ((prod, "prod"), (lab, "lab")):
        gateway = tenant.run("python3", "-c", GATEWAY).strip()
        tried = [*own.values(), *portal, host_port, 22, 2375]
        assert [port for port in tried if tenant.reaches(gateway, port)] == [own[name]]


GATEWAY = """
rows = [line.split() for line in open("/proc/net/route")]
print(".".join(str(byte) for byte in reversed(bytes.fromhex(next(row[2] for row in rows if row[1] == "00000000")))))
"""


def test_metadata_private_networks_and_port_25_are_closed(lab: Tenant, prod: Tenant, world: Outside) -> None:
    assert [tenant.reaches(world.public, 443) for tenant in (lab, prod)] == [True, True]
    for tenant in (lab, prod):
        closed = ((world.metadata, 80), (world.private, 80), (world.public, 25))
        assert [place for place in closed if tenant.reaches(*place)] == []
    assert [port for port in (465, 587) if prod.reaches(world.public, port)] == [465, 587]
    assert [port for port in (465, 587, 2525) if lab.reaches(world.public, port)] == []


def test_a_tenant_has_no_way_into_a_neighbours_database(installation: Installation, lab: Tenant) -> None:
    names = [row["id"] for row in installation.query("SELECT id FROM hosting_instance WHERE state = 'ready'")]
    prefix = f"b{installation.values['BERTH_INSTALLATION']}_i"
    own = lab.run("sh", "-c", "echo $PGDATABASE").strip()
    asked = {f"{prefix}{name}": lab.run("python3", "-c", DATABASE, f"{prefix}{name}").strip() for name in names}
    assert asked.pop(own) == own
    assert set(asked.values()) <= {"refused"}


DATABASE = """
import os, psycopg2, sys
try:
    cursor = psycopg2.connect(dbname=sys.argv[1]).cursor()
    cursor.execute("SELECT current_database()")
    print(cursor.fetchone()[0])
except psycopg2.OperationalError:
    print("refused")
"""


def test_after_all_this_the_next_push_works(installation: Installation, lab: Tenant) -> None:
    assert installation.wait_for_build(change_static_file(installation)).result == "success"
    assert installation.settled() == []
