from ipaddress import IPv4Address, IPv4Network

import pytest

from hosting.engines.docker.networks import dynamic_range, is_as, network_config, routes

ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""


def test_a_network_is_closed_within_and_has_no_ipv6() -> None:
    config = network_config(
        name="berth-a1b2c3-prod",
        bridge="bra1b2c3p",
        subnet=IPv4Network("10.213.0.0/17"),
        gateway=IPv4Address("10.213.0.1"),
        internal=False,
        installation="a1b2c3",
    )

    assert config == {
        "Name": "berth-a1b2c3-prod",
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Internal": False,
        "EnableIPv6": False,
        "IPAM": {
            "Driver": "default",
            "Config": [{"Subnet": "10.213.0.0/17", "Gateway": "10.213.0.1", "IPRange": "10.213.127.0/24"}],
        },
        "Options": {
            "com.docker.network.bridge.name": "bra1b2c3p",
            "com.docker.network.bridge.enable_icc": "false",
            "com.docker.network.bridge.enable_ip_masquerade": "true",
        },
        "Labels": {"berth.installation": "a1b2c3"},
    }


@pytest.mark.parametrize(
    ("subnet", "expected"),
    [("10.213.128.0/17", "10.213.255.0/24"), ("10.5.7.0/24", "10.5.7.240/28"), ("10.5.7.0/28", "10.5.7.12/30")],
)
def test_the_engine_picks_its_own_addresses_from_the_very_end(subnet: str, expected: str) -> None:
    assert dynamic_range(IPv4Network(subnet)) == IPv4Network(expected)


def test_it_reads_the_routes_of_the_host_but_the_default_one() -> None:
    assert routes(ROUTES) == {IPv4Network("172.17.0.0/16"): "docker0", IPv4Network("192.0.2.0/24"): "eth0"}


def test_settings_that_we_never_made_make_no_difference() -> None:
    wanted = {"Internal": False, "IPAM": {"Config": [{"Subnet": "10.5.7.0/24"}]}}

    assert is_as({"Internal": False, "New": 1, "IPAM": {"Config": [{"Subnet": "10.5.7.0/24", "New": 1}]}}, wanted)
    assert not is_as({"Internal": True, "IPAM": {"Config": [{"Subnet": "10.5.7.0/24"}]}}, wanted)
    assert not is_as({"Internal": False, "IPAM": {"Config": []}}, wanted)
    assert not is_as({"Internal": False, "IPAM": None}, wanted)
