"""Certificates as files: read, judged and made. Pure functions over PEM texts."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import NameOID

RSA_BITS = 2048  # the fewest, as browsers ask (CA/Browser Forum, Baseline Requirements, 6.1.5)
LONGEST_CHAIN = 10
DEFAULT_DAYS = 3650  # of a certificate that nobody trusts anyway


class BadCertificate(ValueError):
    """What was given is not what was asked for; says which part, and what would be right."""


@dataclass(frozen=True)
class Read:
    """A certificate, then those that issued it; its key; when it is valid."""

    chain: str
    key: str
    serial: str
    issuer: str
    not_before: datetime
    not_after: datetime

    @property
    def pem(self) -> str:
        """As the router wants it."""
        return self.chain.rstrip() + "\n" + self.key.rstrip() + "\n"


def read(chain: str, key: str) -> Read:
    """Raises BadCertificate where they are none, or the key isn't that of the certificate."""
    private = _key(key)
    leaf, *others = _of_key(_certificates(chain), private)
    ordered = [leaf, *_issuers(leaf, others)]
    encoding = serialization.Encoding.PEM
    return Read(
        chain="".join(each.public_bytes(encoding).decode() for each in ordered),
        key=private.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode(),
        serial=f"{leaf.serial_number:x}",
        issuer=_name(leaf.issuer),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )


def check(given: Read, host: str, now: datetime) -> None:
    """Raises BadCertificate where visitors of `host` could not use it now."""
    leaf = x509.load_pem_x509_certificate(given.chain.encode())
    names = _names(leaf)
    if not any(_covers(name, host) for name in names):
        listed = ", ".join(names[:5]) or "no host name at all"
        raise BadCertificate(f"The certificate is for {listed}, not for {host}.")
    if now >= given.not_after:
        raise BadCertificate(f"The certificate expired on {given.not_after:%-d %B %Y}.")
    if now < given.not_before:
        raise BadCertificate(f"The certificate is only valid from {given.not_before:%-d %B %Y} on.")


def self_signed(host: str, now: datetime) -> Read:
    """For https where there is no better one: browsers warn of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=DEFAULT_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host), x509.DNSName(f"*.{host}")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return read(made.public_bytes(encoding).decode(), private.decode())


def split(pem: str) -> tuple[str, str]:
    """A file that has both, as certificate authorities hand out: its certificates, and its key."""
    key = re.search(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----\n?", pem, re.DOTALL)
    return (pem.replace(key[0], ""), key[0]) if key else (pem, "")


def _certificates(chain: str) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(chain.encode())
    except ValueError as error:
        raise BadCertificate(
            "No certificate could be read. It is text that begins with -----BEGIN CERTIFICATE-----."
        ) from error
    if len(found) > LONGEST_CHAIN:
        raise BadCertificate(f"There are {len(found)} certificates. Send yours and those that issued it.")
    return found


def _key(text: str) -> PrivateKeyTypes:
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except TypeError as error:
        raise BadCertificate("The key has a password. Send it without: openssl pkey -in KEY -out PLAIN.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadCertificate(
            "No private key could be read. It is text that begins with -----BEGIN PRIVATE KEY-----."
        ) from error
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < RSA_BITS:
        raise BadCertificate(f"The key has {key.key_size} bits; browsers want {RSA_BITS} at least.")
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise BadCertificate("Browsers take keys of the kinds RSA and ECDSA alone.")
    return key


def _of_key(found: list[x509.Certificate], key: PrivateKeyTypes) -> list[x509.Certificate]:
    """The certificate of the key first."""
    wanted = _public(key.public_key())
    for each in found:
        if _public(each.public_key()) == wanted:
            return [each, *(other for other in found if other is not each)]
    raise BadCertificate("The key is not that of the certificate. Send the one with which it was asked for.")


def _public(key: object) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.DER, form)  # type: ignore[attr-defined,no-any-return]


def _issuers(leaf: x509.Certificate, others: list[x509.Certificate]) -> list[x509.Certificate]:
    """In order. What issued none of them is no part of the chain, and was sent by mistake."""
    ordered, left = [leaf], list(others)
    while left:
        issuer = next((each for each in left if _issued(ordered[-1], each)), None)
        if issuer is None:
            raise BadCertificate(
                f"{_name(left[0].subject)} did not issue {_name(ordered[-1].subject)}. Send your certificate, then "
                "the one that issued it, then that one's issuer."
            )
        ordered.append(issuer)
        left.remove(issuer)
    return ordered[1:]


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names(certificate: x509.Certificate) -> list[str]:
    """Browsers look at these alone, not at the common name."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in found.value.get_values_for_type(x509.DNSName)]


def _covers(name: str, host: str) -> bool:
    """A wildcard stands for one label, the first (RFC 6125, 6.4.3)."""
    return name == host or (name.startswith("*.") and name[2:] == host.partition(".")[2])


def _name(name: x509.Name) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in name.get_attributes_for_oid(kind):
            return str(attribute.value)[:100]
    return name.rfc4514_string()[:100] or "a certificate without a name"
