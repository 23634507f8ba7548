"""What may be a custom domain, in whichever way it is written."""

import pytest
from django.core.exceptions import ValidationError
from pytest_django import Settings

from projects import domainnames


@pytest.fixture(autouse=True)
def _platform(settings: Settings) -> None:
    settings.BERTH_DOMAIN = "hosted.example.net"
    settings.ALLOWED_HOSTS = ["portal.example.org", "127.0.0.1"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("www.example.com", "www.example.com"),
        ("  WWW.Example.COM. ", "www.example.com"),
        ("www.bücher.de", "www.xn--bcher-kva.de"),
        ("www.xn--bcher-kva.de", "www.xn--bcher-kva.de"),
        ("ＷＷＷ。example。com", "www.example.com"),
        ("shop.example.co.uk", "shop.example.co.uk"),
        ("acme.github.io", "acme.github.io"),
        ("www.nothosted.example.com", "www.nothosted.example.com"),
    ],
)
def test_it_is_stored_as_dns_has_it(written: str, name: str) -> None:
    assert domainnames.clean(written) == name
    assert domainnames.clean(name) == name


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "Write a host name"),
        ("https://www.example.com", "without http://"),
        ("www.example.com/shop", "without http://, a path"),
        ("www.example.com:8080", "without a port"),
        ("*.example.com", "A wildcard can't be added"),
        ("www.example.com\nevil.example.org", "No host name"),
        ("www.example.com\r\nHost: evil", "without a port"),
        ('www."example.com', "No host name"),
        ("www.exam'ple.com", "No host name"),
        ("www example.com", "No host name"),
        ("www..example.com", "No host name"),
        ("-www.example.com", "No host name"),
        ("w_w.example.com", "No host name"),
        ("a" * 64 + ".example.com", "No host name"),
        ("192.0.2.7", "an IP address"),
        ("www.example.7", "an IP address"),
        ("localhost", "no domain of one owner"),
        ("co.uk", "no domain of one owner"),
        ("portal.example.org", "the address of Berth itself"),
        ("Hosted.Example.net.", "one of Berth's own names"),
        ("demo.hosted.example.net", "one of Berth's own names"),
        ("example.com", "a bare domain"),
        ("example.co.uk", "a bare domain"),
        ("bücher.de", "a bare domain"),
    ],
)
def test_it_refuses_what_is_no_domain_of_a_customer(written: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        domainnames.clean(written)


def test_a_bare_domain_is_told_which_redirect_to_set_up() -> None:
    with pytest.raises(ValidationError, match=r"redirect example\.com to https://www\.example\.com"):
        domainnames.clean("example.com")


def test_254_characters_are_one_too_many() -> None:
    longest = "a." * 121 + "example.com"
    assert len(longest) == 253
    assert domainnames.clean(longest) == longest
    with pytest.raises(ValidationError, match="at most 253 characters; this one has 254"):
        domainnames.clean("b" + longest)


def test_an_international_name_is_shown_as_its_owner_writes_it() -> None:
    assert domainnames.shown("www.xn--bcher-kva.de") == "www.bücher.de"
    assert domainnames.shown("www.example.com") == ""
