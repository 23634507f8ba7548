"""Addresses to which something is sent, and those to which nothing ever is."""

import pytest

from portal.posting import BadAddress, locate

PUBLIC = "140.82.121.4"


def test_it_says_where_to_connect_and_what_to_call_the_host() -> None:
    target = locate("https://example.com:8443/hook?key=1#part", allow_private=False, resolve=lambda *_: [PUBLIC])
    assert (target.ip, target.port, target.path, target.host_header) == (
        PUBLIC,
        8443,
        "/hook?key=1",
        "example.com:8443",
    )
    plain = locate("http://Example.com", allow_private=False, resolve=lambda *_: [PUBLIC])
    assert (plain.port, plain.path, plain.host_header) == (80, "/", "example.com")


@pytest.mark.parametrize(
    "ips",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["172.16.0.1"],
        ["192.168.1.1"],
        ["169.254.169.254"],  # the cloud's metadata
        ["100.64.0.1"],
        ["0.0.0.0"],
        ["255.255.255.255"],
        ["224.0.0.1"],
        ["::1"],
        ["::"],
        ["fe80::1%eth0"],
        ["fd00::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        [PUBLIC, "127.0.0.1"],
    ],
)
def test_no_name_leads_inside(ips: list[str]) -> None:
    with pytest.raises(BadAddress, match="inside a private network"):
        locate("https://example.com/", allow_private=False, resolve=lambda *_: ips)
    assert locate("https://example.com/", allow_private=True, resolve=lambda *_: ips).ip == ips[0]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "empty"),
        ("https://" + "x" * 600, "longer"),
        ("ftp://example.com/", "must begin"),
        ("file:///etc/passwd", "must begin"),
        ("gopher://example.com/", "must begin"),
        ("//example.com/", "must begin"),
        ("example.com", "must begin"),
        ("https://user:secret@example.com/", "user or a password"),
        ("https://user@example.com/", "user or a password"),
        ("https:///path", "no host"),
        ("https://exa mple.com/", "spaces"),
        ("https://example.com/\r\nX-Evil: 1", "spaces"),
        ("https://exämple.com/", "letters"),
        ("https://example.com:99999/", "can't be read"),
        ("https://example.com:port/", "can't be read"),
        ("https://[::1/", "can't be read"),
        ("https://-example.com/", "can't stand there"),
    ],
)
def test_what_is_no_address_is_refused(url: str, says: str) -> None:
    with pytest.raises(BadAddress, match=says):
        locate(url, allow_private=True, resolve=lambda *_: [PUBLIC])


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadAddress, match="can't be found"):
        locate("https://nowhere.example/", allow_private=True, resolve=lambda *_: [])
