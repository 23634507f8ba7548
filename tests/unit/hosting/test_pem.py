"""Which certificates are taken, and what is said of the others."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes as Key
from cryptography.x509.oid import NameOID

from hosting import pem

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOST = "www.example.com"


class Maker:
    """Makes certificates, each signed by the one before."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.names: list[x509.Name] = []

    def make(self, name: str, *names: str, key: Key | None = None) -> str:
        own: Key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer, signer = (self.names[-1], self.keys[-1]) if self.keys else (subject, own)
        builder = x509.CertificateBuilder(issuer, subject, own.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=89))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), False)
        self.keys.append(own)
        self.names.append(subject)
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def text(key: Key, password: bytes = b"") -> str:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, hidden).decode()


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def chain(maker: Maker) -> list[str]:
    """Root, intermediate and the host's own."""
    return [maker.make("Root"), maker.make("Middle"), maker.make(HOST, HOST, "*.shop.example.com")]


def test_a_chain_is_put_in_order_with_the_keys_certificate_first(maker: Maker, chain: list[str]) -> None:
    read = pem.read("".join(chain), text(maker.keys[-1]))

    assert read.chain == "".join(reversed(chain))
    assert (read.issuer, read.not_after) == ("Middle", NOW + timedelta(days=89))
    assert "\n\n" not in read.pem


def test_the_key_may_be_in_the_same_file(maker: Maker, chain: list[str]) -> None:
    assert pem.read(*pem.split(chain[2] + text(maker.keys[-1]) + chain[1])).chain == chain[2] + chain[1]


@pytest.mark.parametrize("host", [HOST, "a.shop.example.com"])
def test_it_covers_its_names_and_one_label_for_a_wildcard(maker: Maker, chain: list[str], host: str) -> None:
    pem.check(pem.read(chain[2], text(maker.keys[-1])), host, NOW)


@pytest.mark.parametrize("host", ["example.com", "a.b.shop.example.com", "shop.example.com", "awww.example.com"])
def test_it_covers_nothing_else(maker: Maker, chain: list[str], host: str) -> None:
    with pytest.raises(pem.BadCertificate, match=f"is for www.example.com, .*, not for {host}"):
        pem.check(pem.read(chain[2], text(maker.keys[-1])), host, NOW)


def test_the_common_name_alone_covers_nothing(maker: Maker) -> None:
    made = maker.make(HOST)

    with pytest.raises(pem.BadCertificate, match="for no host name at all"):
        pem.check(pem.read(made, text(maker.keys[-1])), HOST, NOW)


@pytest.mark.parametrize(
    ("days", "said"), [(90, "expired on 19 February 2027"), (-2, "only valid from 21 November 2026")]
)
def test_it_has_to_be_valid_now(maker: Maker, chain: list[str], days: int, said: str) -> None:
    with pytest.raises(pem.BadCertificate, match=said):
        pem.check(pem.read(chain[2], text(maker.keys[-1])), HOST, NOW + timedelta(days=days))


def test_a_key_of_another_certificate_is_refused(chain: list[str]) -> None:
    with pytest.raises(pem.BadCertificate, match="The key is not that of the certificate"):
        pem.read(chain[2], text(ec.generate_private_key(ec.SECP256R1())))


def test_what_did_not_issue_it_is_refused(maker: Maker, chain: list[str]) -> None:
    with pytest.raises(pem.BadCertificate, match="Stranger did not issue www.example.com"):
        pem.read(chain[2] + Maker().make("Stranger"), text(maker.keys[-1]))
    with pytest.raises(pem.BadCertificate, match="Root did not issue www.example.com"):
        pem.read(chain[2] + chain[0], text(maker.keys[-1]))


def test_more_than_a_chain_is_refused(maker: Maker, chain: list[str]) -> None:
    with pytest.raises(pem.BadCertificate, match="There are 11 certificates"):
        pem.read(chain[2] * 11, text(maker.keys[-1]))


@pytest.mark.parametrize("nonsense", ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_nonsense_is_told_what_it_should_be(maker: Maker, chain: list[str], nonsense: str) -> None:
    with pytest.raises(pem.BadCertificate, match="No certificate could be read"):
        pem.read(nonsense, text(maker.keys[-1]))
    with pytest.raises(pem.BadCertificate, match="No private key could be read"):
        pem.read(chain[2], nonsense)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (rsa.generate_private_key(65537, 1024), "has 1024 bits"),
        (ed25519.Ed25519PrivateKey.generate(), "RSA and ECDSA alone"),
    ],
)
def test_a_key_that_browsers_refuse_is_refused(chain: list[str], key: Key, said: str) -> None:
    with pytest.raises(pem.BadCertificate, match=said):
        pem.read(chain[2], text(key))


def test_a_key_with_a_password_is_told_how_to_take_it_off(maker: Maker, chain: list[str]) -> None:
    with pytest.raises(pem.BadCertificate, match="The key has a password"):
        pem.read(chain[2], text(maker.keys[-1], b"secret"))


def test_a_self_signed_one_is_good_for_the_platforms_names() -> None:
    made = pem.self_signed("hosted.example.net", NOW)

    pem.check(made, "demo.hosted.example.net", NOW)
    pem.check(made, "hosted.example.net", NOW)
