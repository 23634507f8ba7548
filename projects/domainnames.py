"""Which host names may be somebody's custom domain. The one validator, for every page and call that takes them."""

import ipaddress
import re
from functools import cache

import idna
from django.conf import settings
from django.core.exceptions import ValidationError
from publicsuffixlist import PublicSuffixList

LONGEST = 253  # characters, as RFC 1035 counts without the last dot
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def clean(text: str) -> str:
    """The name as DNS has it: lower case, punycode, no dot at its end. Raises ValidationError."""
    text = text.strip()
    _refuse_more_than_a_name(text)
    name = text.removesuffix(".").lower()
    if len(name) > LONGEST:
        raise ValidationError(f"A host name has at most {LONGEST} characters; this one has {len(name)}.")
    name = _punycode(name)
    _refuse_the_platforms_own(name)
    _refuse_bare(name)
    return name


def _refuse_more_than_a_name(text: str) -> None:
    if not text:
        raise ValidationError("Write a host name, such as www.example.com.")
    if SCHEME.match(text) or any(mark in text for mark in "/?#@\\"):
        raise ValidationError("The host name alone: without http://, a path or a user, such as www.example.com.")
    if ":" in text:
        raise ValidationError("The host name alone, without a port: http and https come to the usual ones.")
    if "*" in text:
        raise ValidationError(
            "A wildcard can't be added: its certificate could only be proven in DNS. Add each name by itself."
        )


def _punycode(name: str) -> str:
    """International names in their ASCII form (IDNA 2008, as browsers map them). Raises ValidationError."""
    try:
        ascii_name = idna.encode(name, uts46=True, std3_rules=True).decode()
    except (idna.IDNAError, UnicodeError) as error:
        raise ValidationError(f"No host name: {_why(error)}. It has letters, digits, hyphens and dots.") from error
    ascii_name = ascii_name.removesuffix(".")
    if len(ascii_name) > LONGEST:
        raise ValidationError(f"A host name has at most {LONGEST} characters; this one has {len(ascii_name)} in DNS.")
    if _is_address(ascii_name) or ascii_name.rpartition(".")[2].isdecimal():
        raise ValidationError("That is an IP address. A custom domain is a name, such as www.example.com.")
    return ascii_name


def _why(error: Exception) -> str:
    return str(error).rstrip(".")[:120]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refuse_the_platforms_own(name: str) -> None:
    """Raises ValidationError."""
    if name in {host.lower() for host in settings.ALLOWED_HOSTS}:
        raise ValidationError(f"{name} is the address of Berth itself.")
    platform = settings.BERTH_DOMAIN.lower()
    if name == platform or name.endswith(f".{platform}"):
        raise ValidationError(f"{name} is one of Berth's own names: what ends in {platform} is given out by Berth.")


def _refuse_bare(name: str) -> None:
    """DNS allows no CNAME beside the other records that a registered domain itself has (RFC 1034, 3.6.2).

    Raises ValidationError with the redirect to set up instead.
    """
    bare = _suffixes().privatesuffix(name)
    if bare is None:
        raise ValidationError(f"{name} is no domain of one owner: names are registered below it.")
    if bare == name:
        raise ValidationError(
            f"{name} is a bare domain, for which DNS allows no CNAME. Add www.{name} here, and at your registrar "
            f"redirect {name} to https://www.{name} (a web or URL redirect, 301)."
        )


@cache
def _suffixes() -> PublicSuffixList:
    """Of registries alone: below a hosting company's name, as in shop.github.io, there may well be a CNAME."""
    return PublicSuffixList(only_icann=True)


def shown(name: str) -> str:
    """As its owner writes it, where that differs: "" else."""
    try:
        unicode_name = idna.decode(name)
    except idna.IDNAError:
        return ""
    return unicode_name if unicode_name != name else ""
