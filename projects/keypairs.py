"""Makes SSH key pairs, and fingerprints of public keys as `ssh-keygen -l` shows them."""

import base64
import binascii
import hashlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

RSA_BITS = 4096


def new_pair(kind: str, comment: str) -> tuple[str, str]:
    """The private half in OpenSSH's format, unencrypted, and the public one with its comment."""
    key: Ed25519PrivateKey | RSAPrivateKey = (
        generate_private_key(65537, RSA_BITS) if kind == "rsa" else Ed25519PrivateKey.generate()
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()} {comment}"


def fingerprint(public: str) -> str:
    """Of `ssh-ed25519 AAAA... comment`; "" where it is no key."""
    try:
        raw = base64.b64decode(public.split()[1], validate=True)
    except (IndexError, binascii.Error):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


def host_fingerprints(known_hosts: str) -> list[str]:
    """`TYPE SHA256:...` for each line of a known_hosts file."""
    lines = [line.split(maxsplit=1)[1] for line in known_hosts.splitlines() if len(line.split()) >= 3]
    return [f"{line.split()[0]} {fingerprint(line)}" for line in lines]
