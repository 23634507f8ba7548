import pytest

from hosting.engines.haproxy import Route, RouterState, Server


@pytest.mark.parametrize("instance", ["", "42", "i", "i42 s1", "i42\n", "I42", "i1234567890123"])
def test_it_refuses_what_is_no_instance(instance: str) -> None:
    with pytest.raises(ValueError, match="is no instance"):
        Route(instance, "s1")


@pytest.mark.parametrize("slot", ["", "s0", "s", "17", "s1,x", "updating ", "nowhere", "s1\n"])
def test_it_refuses_what_is_neither_slot_nor_page(slot: str) -> None:
    with pytest.raises(ValueError, match="neither a slot"):
        Route("i42", slot)


@pytest.mark.parametrize(
    ("commit", "robots"), [("HEAD", "open"), ("4f,open", "open"), ("4f", "maybe"), ("4f\n", "open")]
)
def test_it_refuses_a_commit_or_a_robots_word_of_somebodys(commit: str, robots: str) -> None:
    with pytest.raises(ValueError, match="no hash"):
        Route("i42", "s1", commit, robots)  # type: ignore[arg-type]


def test_a_route_is_one_value_and_is_read_back_from_it() -> None:
    route = Route("i42", "s17", "4f2c9a1", "open")
    assert route.value == "s17,4f2c9a1,open"
    assert Route.parse("i42", route.value) == route


@pytest.mark.parametrize("value", ["", "s17", "s17,4f2c,open,more", "s17,4f2c,ajar", "s17,nothex,open"])
def test_it_refuses_to_read_what_is_no_route(value: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Route.parse("i42", value)


@pytest.mark.parametrize("host", ["demo.localhost", "xn--bcher-kva.example", "a-b.c-d.example.com", "under_score.test"])
def test_it_takes_host_names(host: str) -> None:
    assert RouterState(hosts={host: "i42"}).hosts == {host: "i42"}


@pytest.mark.parametrize(
    "host",
    ["", "Demo.localhost", "a b", "a\ni43", "demo.localhost:80", "-a.com", "a..b", "a.b.", "x" * 64, "bücher.de"],
)
def test_it_refuses_what_is_no_host_name(host: str) -> None:
    with pytest.raises(ValueError, match="is no host name"):
        RouterState(hosts={host: "i42"})


def test_it_refuses_a_route_that_is_filed_under_another_instance() -> None:
    with pytest.raises(ValueError, match="route of i42 is filed under i43"):
        RouterState(routes={"i43": Route("i42", "s1")})


@pytest.mark.parametrize("address", ["", "web", "10.0.0", "10.0.0.1 disabled", "::1"])
def test_it_refuses_a_server_without_an_ipv4_address(address: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Server(address)


@pytest.mark.parametrize(("port", "maxconn"), [(0, 0), (65536, 0), (8069, -1)])
def test_it_refuses_ports_and_limits_out_of_range(port: int, maxconn: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        Server("10.0.0.1", port, maxconn=maxconn)
