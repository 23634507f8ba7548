"""What a hosted container reaches and what it doesn't, on the real bridges, with a make-believe Internet outside."""

import os
import secrets
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing

import pytest

from hosting.engines import firewall
from portal.commands import run
from tests.engine.outside import Outside, namespace, outside
from tests.engine.tenants import Tenants

pytestmark = pytest.mark.engine

Names = dict[str, str]


@pytest.fixture(scope="module")
def world(hosted: Tenants) -> Iterator[Outside]:
    with outside(hosted.docker.installation) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def rules(hosted: Tenants, world: Outside) -> Iterator[tuple[firewall.Rule, ...]]:
    wanted = firewall.rules(hosted.docker.installation, [hosted.prod, hosted.lab], [world.resolver])
    firewall.apply(hosted.docker.installation, wanted)
    yield wanted
    firewall.remove(hosted.docker.installation)


@pytest.fixture(scope="module")
def names(hosted: Tenants) -> Iterator[Names]:
    """Running containers that listen on port 8069: two neighbours in production, one in the lab."""
    places = {"prod": (hosted.prod, 20), "neighbour": (hosted.prod, 21), "lab": (hosted.lab, 150)}
    specs = {
        name: hosted.spec(
            *("nc", "-ll", "-p", "8069", "-e", "echo", "port 8069"),
            network=hosted.network(bridge),
            address=hosted.address(bridge, number),
        )
        for name, (bridge, number) in places.items()
    }
    for spec in specs.values():
        hosted.docker.ensure_running(spec)
    yield {name: spec.name for name, spec in specs.items()}
    for spec in specs.values():
        hosted.docker.remove(spec.name)


@pytest.fixture(scope="module")
def host_ports(hosted: Tenants) -> Iterator[None]:
    """Servers on all addresses of the host: where PostgreSQL and the mail catcher are, and on a port that is closed."""
    listeners = [socket.create_server(("0.0.0.0", port)) for port in (5441, 5442, 1025, 9999)]
    for listener in listeners:
        threading.Thread(target=greet, args=(listener,), daemon=True).start()
    yield
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def greet(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.sendall(b"port %d" % listener.getsockname()[1])


def reaches(hosted: Tenants, name: str, host: str, port: int) -> bool:
    _, output = hosted.docker.execute(name, ("nc", "-w", "2", host, str(port)), timeout=6)
    assert output.strip() == f"port {port}" or "port" not in output
    return "port" in output


def reached(hosted: Tenants, name: str, hosts: Iterable[str], ports: Iterable[int]) -> set[str]:
    """The same for many, at once: a packet that is dropped takes its time."""
    tries = [f"( echo {host} $(nc -w 2 {host} {port}) ) &" for host in hosts for port in ports]
    _, output = hosted.docker.execute(name, ("sh", "-c", " ".join((*tries, "wait"))), timeout=10)
    return {line for line in output.splitlines() if "port" in line}


def test_the_public_internet_is_open(hosted: Tenants, names: Names, world: Outside) -> None:
    assert reaches(hosted, names["prod"], world.public, 443)
    assert reaches(hosted, names["lab"], world.public, 443)


def test_no_mail_leaves_by_port_25_and_the_lab_sends_none_at_all(hosted: Tenants, names: Names, world: Outside) -> None:
    open_ports = {
        name: {port for port in (25, 465, 587) if reaches(hosted, names[name], world.public, port)}
        for name in ("prod", "lab")
    }

    assert open_ports == {"prod": {465, 587}, "lab": set()}


@pytest.mark.parametrize("name", ["prod", "lab"])
def test_metadata_and_private_networks_are_closed(hosted: Tenants, names: Names, world: Outside, name: str) -> None:
    assert not reaches(hosted, names[name], world.metadata, 80)
    assert not reaches(hosted, names[name], world.private, 80)
    assert not reaches(hosted, names[name], world.private, 53)


def test_a_refusal_comes_at_once(hosted: Tenants, names: Names, world: Outside) -> None:
    _, output = hosted.docker.execute(names["prod"], ("nc", "-w", "5", world.metadata, "80"), timeout=6)

    assert "No route to host" in output


@pytest.mark.parametrize("name", ["prod", "lab"])
def test_names_are_resolved_by_the_hosts_server_though_it_is_private(
    hosted: Tenants, names: Names, world: Outside, name: str
) -> None:
    command = ("nslookup", "-type=a", "example.com", world.resolver)
    exit_code, output = hosted.docker.execute(names[name], command, timeout=10)

    assert (exit_code, world.public in output) == (0, True), output
    assert reaches(hosted, names[name], world.resolver, 53)
    assert not reaches(hosted, names[name], world.resolver, 80)


def test_neighbours_do_not_reach_each_other(hosted: Tenants, names: Names) -> None:
    prod, lab = hosted.address(hosted.prod, 20), hosted.address(hosted.lab, 150)

    assert not reaches(hosted, names["neighbour"], prod, 8069)
    assert not reaches(hosted, names["lab"], prod, 8069)
    assert not reaches(hosted, names["prod"], lab, 8069)


def test_the_host_reaches_every_container(hosted: Tenants, names: Names) -> None:  # as the router does
    for address in (hosted.address(hosted.prod, 20), hosted.address(hosted.lab, 150)):
        with closing(socket.create_connection((address, 8069), timeout=5)) as connection:
            assert connection.recv(100).strip() == b"port 8069"


@pytest.mark.usefixtures("host_ports")
def test_of_the_host_a_container_reaches_its_own_cluster_alone(hosted: Tenants, names: Names) -> None:
    gateways, ports = {hosted.prod.gateway, hosted.lab.gateway}, (5441, 5442, 1025, 9999)
    prod, lab = hosted.prod.gateway, hosted.lab.gateway

    assert reached(hosted, names["prod"], gateways, ports) == {f"{prod} port 5441"}
    assert reached(hosted, names["lab"], gateways, ports) == {f"{lab} port 5442", f"{lab} port 1025"}


@pytest.mark.usefixtures("host_ports")
def test_the_hosts_other_addresses_are_closed_too(hosted: Tenants, names: Names, world: Outside) -> None:
    other = world.private.rpartition(".")[0] + ".1"

    with closing(socket.create_connection((other, 9999), timeout=5)) as connection:
        assert connection.recv(100) == b"port 9999"
    assert not reaches(hosted, names["prod"], other, 9999)
    assert not reaches(hosted, names["prod"], other, 5441)


def test_nobody_outside_begins_a_conversation_with_a_container(hosted: Tenants, names: Names, world: Outside) -> None:
    address = hosted.address(hosted.prod, 20)
    space = namespace(hosted.docker.installation)
    answer = run(
        ["ip", "netns", "exec", space, "busybox", "nc", "-w", "2", address, "8069"], timeout=10, check=False
    ).output

    assert names["prod"]
    assert "port" not in answer


def test_a_build_is_behind_the_same_wall(
    hosted: Tenants, world: Outside, tmp_path_factory: pytest.TempPathFactory
) -> None:
    said: list[str] = []
    script = f"nc -w 2 {world.public} 443; nc -w 2 {world.private} 80; nc -w 2 {world.public} 25; true"
    hosted.docker.build(
        tmp_path_factory.mktemp("context"),
        f"FROM {hosted.image_id}\nRUN {script}\n",
        tag=f"berth-{hosted.docker.installation}/i42:b1",
        labels={},
        memory_bytes=64 * 1024 * 1024,
        cpus=1,
        network=hosted.network(hosted.lab),
        timeout=60,
        output=said.append,
    )

    assert "".join(said).count("port 443") == 1
    assert "".join(said).count("No route to host") == 2


def test_rules_in_place_pass_the_check(hosted: Tenants, rules: tuple[firewall.Rule, ...]) -> None:
    assert firewall.check(hosted.docker.installation, rules) == []

    firewall.apply(hosted.docker.installation, rules)

    assert firewall.check(hosted.docker.installation, rules) == []
    assert (
        run(["iptables", "-S", "INPUT"], timeout=10).output.count(firewall.chains(hosted.docker.installation)[0]) == 1
    )


def test_the_check_finds_what_somebody_changed_and_applying_repairs_it(
    hosted: Tenants, rules: tuple[firewall.Rule, ...]
) -> None:
    installation = hosted.docker.installation
    into, through = firewall.chains(installation)
    run(["iptables", "-D", "INPUT", "-j", into], timeout=10)
    run(["iptables", "-D", through, "1"], timeout=10)
    run(["iptables", "-I", into, "1", "-j", "ACCEPT"], timeout=10)
    found = firewall.check(installation, rules)

    assert found == [
        f"INPUT does not lead to {into}",
        f"not ours: -A {into} -j ACCEPT",
        f"missing: -A {through} ! -s {hosted.prod.subnet} -i {hosted.prod.name} -j DROP",
    ]

    firewall.apply(installation, rules)
    assert firewall.check(installation, rules) == []


def test_the_check_finds_rules_in_another_order(hosted: Tenants, rules: tuple[firewall.Rule, ...]) -> None:
    into, _ = firewall.chains(hosted.docker.installation)
    moved = [rule for rule in rules if rule[1] == into][-1]
    run(["iptables", "-D", *moved[1:]], timeout=10)
    run(["iptables", "-I", into, "1", *moved[2:]], timeout=10)

    assert firewall.check(hosted.docker.installation, rules) == [f"the rules of {into} are not in their order"]
    firewall.apply(hosted.docker.installation, rules)


def test_rules_that_the_kernel_refuses_leave_the_old_ones(hosted: Tenants, rules: tuple[firewall.Rule, ...]) -> None:
    into, _ = firewall.chains(hosted.docker.installation)
    with pytest.raises(firewall.FirewallError, match="They were left as they were"):
        firewall.apply(hosted.docker.installation, [("-A", into, "-j", "NO-SUCH-TARGET")])

    assert firewall.check(hosted.docker.installation, rules) == []


def test_removing_leaves_no_trace_and_other_installations_alone(
    hosted: Tenants, rules: tuple[firewall.Rule, ...]
) -> None:
    installation = hosted.docker.installation
    stranger = secrets.token_hex(3)
    other = firewall.rules(stranger, [firewall.Bridge(f"br{stranger}p", "10.1.0.0/25", "10.1.0.1", (5441,))], [])
    try:
        firewall.apply(stranger, other)
        firewall.remove(installation)
        firewall.remove(installation)

        assert f"BERTH-{installation}" not in run(["iptables-save"], timeout=10).output
        assert firewall.check(stranger, other) == []
    finally:
        firewall.remove(stranger)
        firewall.apply(installation, rules)


def test_rules_are_there_before_docker_makes_its_chain_and_stay_when_it_does() -> None:
    """As after a reboot; in a network of its own, where no engine ever was."""
    code = """
from hosting import walls
from hosting.engines import firewall
wanted = walls.bridges("abcdef", "10.99.0.0/16", hosted_port=1, lab_port=2)
for _twice in range(2):
    firewall.go_ahead_of_engine()
    walls.close("abcdef", wanted)
rules = firewall.rules("abcdef", list(wanted.values()), firewall.host_resolvers())
print([line for line in firewall.check("abcdef", rules) if "bridge-nf" not in line], len(rules))
"""
    told = run(["unshare", "--net", sys.executable, "-c", code], timeout=60, env=dict(os.environ)).output
    assert told.startswith("[] ")
    assert int(told.split()[1]) > 10
