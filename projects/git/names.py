"""What may be the address of a repository, and what the name of a branch."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from portal.lookup import Resolve, is_public, resolve_host
from projects.git.program import GitError

MAX_URL = 1000
MAX_BRANCH = 200
MAX_BRANCH_PART = 240
"""Bytes between two slashes: Git keeps a branch as a file of that name, beside one with `.lock` at the end."""

_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?:\.(?!-)[A-Za-z0-9-]{1,63})*\.?")
_SCP = re.compile(r"(?:(?P<user>[A-Za-z0-9_][\w.-]*)@)?(?P<host>[^:/@\s]+):(?P<path>(?!/?-)[^:\s]\S*)", re.ASCII)
_PORTS = {"https": 443, "http": 80, "ssh": 22}


class InvalidName(GitError):
    """An address or a branch name that Berth doesn't use; `reason` says why, as a part of a sentence."""

    def __init__(self, text: str, reason: str) -> None:
        self.reason = reason
        super().__init__(text)


@dataclass(frozen=True)
class UrlPolicy:
    """Which addresses an installation allows beside public https and ssh ones."""

    allow_private: bool = False
    allow_http: bool = False


@dataclass(frozen=True)
class Address:
    """A validated URL and the public IP addresses of its host; none were looked up where private ones are allowed."""

    url: str
    scheme: str
    host: str
    port: int
    ips: tuple[str, ...]

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{urlsplit(self.url).netloc}/"


def validate_url(url: str, *, allow_private: bool, allow_http: bool, resolve: Resolve = resolve_host) -> str:
    """`url`, if Berth may fetch from it. Raises InvalidName."""
    return locate(url, UrlPolicy(allow_private=allow_private, allow_http=allow_http), resolve).url


def locate(url: str, policy: UrlPolicy, resolve: Resolve = resolve_host) -> Address:
    """The validated address behind `url`, of which the IP addresses are to be used for fetching: a second look-up could
    answer something else. Raises InvalidName.
    """
    if not re.fullmatch(rf"[!-\[\]-~]{{1,{MAX_URL}}}", url) or url.startswith("-"):
        raise _invalid_url("it is empty, too long, begins with - or has spaces, \\ or letters that can't stand there")
    scheme, host, port = _read_url(url, policy) if "://" in url else _read_scp(url)
    if policy.allow_private:
        return Address(url, scheme, host, port, ())
    ips = resolve(host, port)
    if not ips:
        raise _invalid_url(f"the host {host} can't be found")
    for ip in ips:
        if not is_public(ip):
            raise _invalid_url(f"{host} is an address inside a private network")
    return Address(url, scheme, host, port, tuple(ips))


def ssh_place(url: str) -> str:
    """`user@host:port/path` of an SSH address, the same for both ways to write it. Raises InvalidName for any other."""
    if "://" not in url:
        _read_scp(url)
        match = _SCP.fullmatch(url)
        assert match is not None
        user, host, port, path = match["user"], match["host"].lower(), _PORTS["ssh"], match["path"]
    elif url.startswith("ssh://"):
        _scheme, host, port = _read_url(url, UrlPolicy())
        user, path = urlsplit(url).username, urlsplit(url).path
    else:
        raise _invalid_url("it is no SSH address")
    return f"{user or ''}@{host}:{port}/{_plain(path)}"


def host_and_path(url: str) -> str:
    """What an https and an SSH address of one repository have in common: `host/path`. Raises InvalidName."""
    if url.startswith(("https://", "http://")):
        _scheme, host, _port = _read_url(url, UrlPolicy(allow_http=True))
        return f"{host}/{_plain(urlsplit(url).path)}"
    host, _slash, path = ssh_place(url).rpartition("@")[2].partition("/")
    return f"{host.rpartition(':')[0]}/{path}"


def _plain(path: str) -> str:
    return path.strip("/").removesuffix(".git")


def _read_url(url: str, policy: UrlPolicy) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _invalid_url("it can't be read") from error
    if parts.scheme not in _PORTS or (parts.scheme == "http" and not policy.allow_http):
        raise _invalid_url("it must begin with https:// or ssh://")
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise _invalid_url("it has a user or a password in it; leave them out and connect the account instead")
    if parts.query or parts.fragment or not parts.path.strip("/") or parts.path.startswith("/-"):
        raise _invalid_url("it names no repository, or has ? or # in it")
    if parts.username is not None and not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", parts.username, re.ASCII):
        raise _invalid_url("its user has characters that can't stand there")
    return parts.scheme, _host(parts), port or _PORTS[parts.scheme]


def _read_scp(url: str) -> tuple[str, str, int]:
    match = _SCP.fullmatch(url)
    if match is None or "::" in url:
        raise _invalid_url("it must begin with https:// or ssh://, or look like git@host:path")
    if not _HOST.fullmatch(match["host"]):
        raise _invalid_url("its host has characters that can't stand there")
    return "ssh", match["host"].lower(), _PORTS["ssh"]


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if parts.netloc.rpartition("@")[2].startswith("["):
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError as error:
            raise _invalid_url("its host is no IPv6 address") from error
    if not _HOST.fullmatch(host):
        raise _invalid_url("it has no host, or one with characters that can't stand there")
    return host


def _invalid_url(reason: str) -> InvalidName:
    return InvalidName(
        f"This repository address can't be used: {reason}. Nothing was fetched. "
        "Use one like https://github.com/owner/name or git@github.com:owner/name.git.",
        reason,
    )


def validate_branch(name: str) -> str:
    """`name`, if it can be a branch: Git's own rules (git-check-ref-format), and a length that files can have.

    Slashes, emoji, `;` and `$()` are fine: no shell ever sees a name. Raises InvalidName.
    """
    for broken, reason in (
        (not name, "it is empty"),
        (len(name) > MAX_BRANCH, f"it is longer than {MAX_BRANCH} characters"),
        (name.startswith("-"), "it begins with -"),
        (name in ("@", "HEAD"), "Git keeps that word for itself"),
        (".." in name, "it has .. in it"),
        ("@{" in name, "it has @{ in it"),
        (
            re.search(r"[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]", name),
            r"it has a space, a control character or one of ~^:?*[\ ",
        ),
        (name.startswith("/") or name.endswith("/") or "//" in name, "a slash stands at an end or twice in a row"),
        (name.endswith("."), "it ends with a dot"),
        (any(part.startswith(".") for part in name.split("/")), "a part of it begins with a dot"),
        (any(part.endswith(".lock") for part in name.split("/")), "a part of it ends with .lock"),
    ):
        if broken:
            raise _invalid_branch(name, reason)
    if any(len(part.encode()) > MAX_BRANCH_PART for part in name.split("/")):
        raise _invalid_branch(name, f"a part of it takes more than {MAX_BRANCH_PART} bytes")
    return name


def _invalid_branch(name: str, reason: str) -> InvalidName:
    shown = name.encode(errors="replace").decode()[:60]
    return InvalidName(
        f"{shown!r} can't be used as a branch name: {reason.strip()}. Nothing was changed. Rename the branch.",
        reason.strip(),
    )
