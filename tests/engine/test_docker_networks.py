from collections.abc import Iterator

import pytest

from hosting.engines.docker import EngineError, SubnetTaken
from portal.commands import run
from tests.engine.tenants import Tenants

pytestmark = pytest.mark.engine


@pytest.fixture
def other_route(hosted: Tenants) -> Iterator[str]:
    """A subnet that the host, for the time of the test, reaches through a device of its own."""
    device, subnet = f"d{hosted.docker.installation}", f"10.119.{int(hosted.docker.installation[:2], 16)}.0/24"
    run(["ip", "link", "add", device, "type", "bridge"], timeout=10)
    try:
        run(["ip", "addr", "add", subnet.replace(".0/", ".1/"), "dev", device], timeout=10)
        run(["ip", "link", "set", device, "up"], timeout=10)
        yield subnet
    finally:
        run(["ip", "link", "del", device], timeout=10)


def network_id(hosted: Tenants, name: str) -> str:
    return str(hosted.docker.api.inspect_network(name)["Id"])


def test_asking_twice_changes_nothing(hosted: Tenants) -> None:
    name, bridge = hosted.network(hosted.prod), hosted.prod
    before = network_id(hosted, name)
    hosted.docker.ensure_network(name, bridge.name, bridge.subnet, bridge.gateway)

    assert network_id(hosted, name) == before


def test_one_that_differs_is_replaced_if_nobody_is_on_it(hosted: Tenants) -> None:
    name, bridge = hosted.network(hosted.lab), hosted.lab
    before = network_id(hosted, name)
    hosted.docker.ensure_network(name, bridge.name, bridge.subnet, bridge.gateway, internal=True)
    assert network_id(hosted, name) != before
    assert hosted.docker.api.inspect_network(name)["Internal"]

    hosted.docker.ensure_network(name, bridge.name, bridge.subnet, bridge.gateway)
    assert not hosted.docker.api.inspect_network(name)["Internal"]


def test_one_that_differs_is_kept_if_somebody_is_on_it(hosted: Tenants) -> None:
    name, bridge = hosted.network(hosted.lab), hosted.lab
    spec = hosted.spec(network=name, address=hosted.address(bridge, 140))
    state = hosted.docker.ensure_running(spec)
    with pytest.raises(EngineError, match="has active endpoints"):
        hosted.docker.ensure_network(name, bridge.name, bridge.subnet, bridge.gateway, internal=True)

    assert hosted.docker.require(spec.name) == state
    hosted.docker.remove(spec.name)


def test_a_subnet_that_another_network_has_is_refused(hosted: Tenants) -> None:
    with pytest.raises(SubnetTaken, match=f"overlaps with {hosted.prod.subnet}.*BERTH_SUBNET"):
        hosted.docker.ensure_network("berth-none", "brnone", hosted.prod.subnet, hosted.prod.gateway)

    assert hosted.docker.api.networks(names=["berth-none"]) == []


def test_a_subnet_that_the_host_routes_elsewhere_is_refused(hosted: Tenants, other_route: str) -> None:
    with pytest.raises(SubnetTaken, match="a route of the host"):
        hosted.docker.ensure_network("berth-none", "brnone", other_route, other_route.replace("0/24", "1"))


def test_removing_what_is_gone_is_no_error(hosted: Tenants) -> None:
    hosted.docker.remove_network("berth-none")
