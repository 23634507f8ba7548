"""How Git gets through SSH: with one key for one address, which lies on disk for as long as a fetch lasts."""

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from projects.git.names import Address

_OPTIONS = (
    *("BatchMode=yes", "IdentitiesOnly=yes", "IdentityAgent=none", "ConnectTimeout=15"),
    *("UpdateHostKeys=no", "CheckHostIP=no", "HashKnownHosts=no", "GlobalKnownHostsFile=/dev/null"),
)
"""No key of the machine's user is offered: it is not the customer's."""


@dataclass(frozen=True)
class SshKey:
    """A private key in OpenSSH's format, and the host keys that were pinned with it: "" until its first use."""

    private: str = field(repr=False)
    known_hosts: str = ""


class KeyRing(Protocol):
    """Knows which key is for which address."""

    def find(self, url: str) -> SshKey | None:
        """The key for this very repository."""

    def ssh_url(self, url: str) -> str | None:
        """The address that has a key, of the repository that `url` leads to by https."""

    def note(self, url: str, *, known_hosts: str, error: str) -> None:
        """The key was used, and the server had these host keys; `error` is "" where it worked."""


class NoKeys:
    """A ring without keys."""

    def find(self, _url: str) -> SshKey | None:
        return None

    def ssh_url(self, _url: str) -> str | None:
        return None

    def note(self, url: str, *, known_hosts: str, error: str) -> None:
        """Nothing was used."""


@dataclass(frozen=True)
class Session:
    """`command` is for `core.sshCommand`."""

    command: str
    _known_hosts: Path

    @property
    def known_hosts(self) -> str:
        return self._known_hosts.read_text() if self._known_hosts.is_file() else ""


@contextmanager
def session(address: Address, key: SshKey | None, folder: Path, shared_known_hosts: Path) -> Iterator[Session]:
    """SSH to `address`, with a key or with none. `folder` is ours alone while it lasts, and what a killed one left in
    it is removed. A host key is accepted at the first contact, and must be the same ever after.
    """
    shutil.rmtree(folder, ignore_errors=True)
    if key is None:
        yield Session(_command(address, "none", shared_known_hosts, pinned=False), shared_known_hosts)
        return
    try:
        folder.mkdir(mode=0o700)
        private, known_hosts = folder / "key", folder / "known_hosts"
        _write_private(private, key.private.strip() + "\n")
        _write_private(known_hosts, key.known_hosts)
        yield Session(_command(address, str(private), known_hosts, pinned=bool(key.known_hosts)), known_hosts)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _command(address: Address, identity: str, known_hosts: Path, *, pinned: bool) -> str:
    checking = "yes" if pinned else "accept-new"
    options = [*_OPTIONS, f"StrictHostKeyChecking={checking}", f"UserKnownHostsFile={known_hosts}"]
    if address.ips:  # what was checked is what is used, whatever the name server answers next
        name = address.host if address.port == 22 else f"[{address.host}]:{address.port}"
        options += [f"HostName={_first(address.ips)}", f"HostKeyAlias={name}"]
    return shlex.join(["ssh", "-F", "/dev/null", f"-oIdentityFile={identity}", *(f"-o{each}" for each in options)])


def _first(ips: tuple[str, ...]) -> str:
    """SSH tries one alone, and not every machine has IPv6."""
    return next((ip for ip in ips if ":" not in ip), ips[0])


def _write_private(path: Path, text: str) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
