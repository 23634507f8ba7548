"""What the private clusters are told: who may reach them, and which of them may lose data."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from deploy.clusters import MEGABYTE, Cluster, access, configuration, plan, tenant_networks
from deploy.environment import fresh, with_urls

GIGABYTE = 1024 * MEGABYTE


@pytest.fixture
def clusters() -> dict[str, Cluster]:
    values = with_urls(fresh([]) | {"BERTH_SUBNET": "10.213.0.0/16", "BERTH_INSTALLATION": "abc123"})
    return {cluster.name: cluster for cluster in plan(Path("/srv/berth/pg"), values, memory=24 * GIGABYTE)}


def test_production_has_the_lower_half_of_the_subnet() -> None:
    halves = tenant_networks("10.213.0.0/16")
    assert halves == {"hosted": IPv4Network("10.213.0.0/17"), "lab": IPv4Network("10.213.128.0/17")}


def test_each_cluster_listens_where_its_own_tenants_are(clusters: dict[str, Cluster]) -> None:
    assert clusters["portal"].listen == ("127.0.0.1",)
    assert clusters["hosted"].listen == ("127.0.0.1", "10.213.0.1")
    assert clusters["lab"].listen == ("127.0.0.1", "10.213.128.1")


def test_only_the_lab_may_lose_data(clusters: dict[str, Cluster]) -> None:
    assert {name for name, cluster in clusters.items() if "fsync = 'off'" in configuration(cluster)} == {"lab"}
    assert "wal_level = 'replica'" in configuration(clusters["hosted"])


def test_nobody_enters_without_a_password(clusters: dict[str, Cluster]) -> None:
    for cluster in clusters.values():
        rules = [line.split() for line in access(cluster).splitlines() if not line.startswith("#")]
        assert {rule[-1] for rule in rules} <= {"scram-sha-256", "reject"}


def test_tenants_reach_their_own_cluster_and_never_as_administrator(clusters: dict[str, Cluster]) -> None:
    lines = access(clusters["hosted"]).splitlines()
    refused = lines.index("host all berth_admin 10.213.0.0/17 reject")
    assert refused < lines.index("host all all 10.213.0.0/17 scram-sha-256")
    assert "10.213.128.0" not in access(clusters["hosted"])
    assert "10.213" not in access(clusters["portal"])


def test_sockets_lie_where_every_path_fits(clusters: dict[str, Cluster]) -> None:
    assert {str(cluster.sockets) for cluster in clusters.values()} == {"/run/berth-abc123"}


@pytest.mark.parametrize(("memory", "hosted", "lab"), [(2, 128, 64), (8, 512, 256), (256, 1024, 256)])
def test_memory_is_taken_in_proportion_and_within_bounds(memory: int, hosted: int, lab: int) -> None:
    sizes = {cluster.name: cluster.shared_buffers for cluster in plan(Path("/p"), fresh([]), memory * GIGABYTE)}
    assert sizes == {"portal": 64 * MEGABYTE, "hosted": hosted * MEGABYTE, "lab": lab * MEGABYTE}


def test_an_existing_server_is_not_among_ours() -> None:
    values = fresh([]) | {"BERTH_LAB_URL": "postgresql://admin:x@db.example.com/postgres"}
    assert [cluster.name for cluster in plan(Path("/p"), values, memory=GIGABYTE)] == ["portal", "hosted"]
