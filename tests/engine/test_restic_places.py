"""Copies of a repository on another disk, by SFTP and in an S3-compatible store: what was stored comes back from each.

The SFTP server is Debian's OpenSSH on a port of its own. The S3 store is moto's server, a stand-in: it speaks the
protocol and keeps everything in memory, and asks for no account.
"""

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from hosting.engines import remote
from hosting.engines.restic import Repository, RepositoryDamaged, ResticError, Unreachable
from portal.commands import run
from projects.management.commands.place import new_key
from tests.installation import free_ports

pytestmark = pytest.mark.engine

PATIENCE_S = 20.0
S3_ACCOUNT = "AWS_ACCESS_KEY_ID=someone\nAWS_SECRET_ACCESS_KEY=secret"
SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
"""

Opened = Callable[[str], AbstractContextManager[Repository]]  # a folder -> its repository


def go_on() -> None:
    pass


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """An address on this machine, and the private key that it lets in."""
    folder, (port,) = tmp_path / "sshd", free_ports(1)
    folder.mkdir()
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host_key")], timeout=20)
    private, public = new_key()
    (folder / "authorized_keys").write_text(f"{public}\n")
    (folder / "config").write_text(SSHD.format(port=port, folder=folder))
    Path("/run/sshd").mkdir(exist_ok=True)
    run(["/usr/sbin/sshd", "-f", str(folder / "config")], timeout=20)
    wait_for_port(int(port))
    (tmp_path / "far").mkdir()
    yield f"sftp://root@127.0.0.1:{port}/{tmp_path / 'far'}", private
    os.kill(int((folder / "sshd.pid").read_text()), 15)


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
    raise TimeoutError(f"nobody listens on {port}")


@pytest.fixture
def s3() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"s3:http://{host}:{port}/bucket-{secrets.token_hex(4)}"  # all servers of a process share what they keep
    server.stop()


def opener(base: str, account: str, tmp_path: Path) -> Opened:
    known_hosts = tmp_path / "known_hosts"
    return lambda folder: remote.opened(base, folder, account=account, password="key", known_hosts=known_hosts)


@pytest.fixture(params=["disk", "sftp", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    if request.param == "disk":
        (tmp_path / "disk").mkdir()
        return opener(str(tmp_path / "disk"), "", tmp_path)
    if request.param == "sftp":
        address, private = request.getfixturevalue("sshd")
        return opener(address, private, tmp_path)
    return opener(request.getfixturevalue("s3"), S3_ACCOUNT, tmp_path)


@pytest.fixture
def ours(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "vault", "key")
    made.create()
    return made


def stored(ours: Repository, tmp_path: Path, tag: str) -> str:
    """A new file beside those that are there."""
    folder = tmp_path / "content"
    folder.mkdir(exist_ok=True)
    (folder / tag).write_bytes(secrets.token_bytes(3_000_000))
    return ours.store(folder, tag=tag, timeout=120, told=lambda _progress: None, keep_going=go_on).snapshot


def test_what_was_stored_here_comes_back_from_there(ours: Repository, place: Opened, tmp_path: Path) -> None:
    first = stored(ours, tmp_path, "backup-1")
    with place("abc123/v1") as there:
        assert not there.exists()
        there.create(like=ours)
        assert there.exists()
        there.copy(ours, [first], timeout=120, keep_going=go_on)
        second = stored(ours, tmp_path, "backup-2")
        there.copy(ours, [second], timeout=120, keep_going=go_on)
        there.copy(ours, [first, second], timeout=120, keep_going=go_on)
        there.check(read_data=True)
        found = {tag: snapshot.key for snapshot in there.snapshots() for tag in snapshot.tags}
        assert len(there.snapshots()) == 2, "what is there already is passed over"
        there.restore(found["backup-2"], tmp_path / "back", timeout=120, keep_going=go_on)
        there.forget([found["backup-1"]], timeout=120, keep_going=go_on)
        assert [snapshot.key for snapshot in there.snapshots()] == [found["backup-2"]]
    for file in (tmp_path / "content").iterdir():
        assert (tmp_path / "back" / file.name).read_bytes() == file.read_bytes()


def test_a_new_machine_gets_them_from_there(ours: Repository, place: Opened, tmp_path: Path) -> None:
    snapshot = stored(ours, tmp_path, "backup-1")
    new = Repository(tmp_path / "new", "key")
    with place("abc123/v1") as there:
        there.create(like=ours)
        there.copy(ours, [snapshot], timeout=120, keep_going=go_on)
        new.create(like=there)
        new.copy(there, [each.key for each in there.snapshots()], timeout=120, keep_going=go_on)
    (found,) = new.snapshots()
    assert found.tags == {"backup-1"}
    new.check(read_data=True)


def test_a_store_that_is_away_is_told_from_one_without_the_repository(s3: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    for base, account in ((f"s3:http://127.0.0.1:{port}/bucket", S3_ACCOUNT), (f"sftp://a@127.0.0.1:{port}/x", KEY)):
        with opener(base, account, tmp_path)("abc123/v1") as there, pytest.raises(Unreachable):
            there.exists()
    with opener(s3, S3_ACCOUNT, tmp_path)("abc123/v1") as there:
        assert not there.exists()


KEY = new_key()[0]


def test_a_key_that_the_server_does_not_know_gets_nowhere(sshd: tuple[str, str], tmp_path: Path) -> None:
    with opener(sshd[0], KEY, tmp_path)("abc123/v1") as there, pytest.raises(Unreachable):
        there.exists()


def test_a_server_with_another_host_key_is_not_trusted(sshd: tuple[str, str], tmp_path: Path) -> None:
    address, private = sshd
    place = opener(address, private, tmp_path)
    with place("abc123/v1") as there:
        assert not there.exists()
    other = tmp_path / "other"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], timeout=20)
    known, (_kind, _key, *_rest) = tmp_path / "known_hosts", other.with_suffix(".pub").read_text().split()
    known.write_text(" ".join([known.read_text().split()[0], _kind, _key]) + "\n")
    with place("abc123/v1") as there, pytest.raises(Unreachable):
        there.exists()


def test_a_damaged_vault_is_not_copied(ours: Repository, tmp_path: Path) -> None:
    snapshot = stored(ours, tmp_path, "backup-1")
    for pack in (ours.folder / "data").rglob("*"):
        if pack.is_file():
            content = bytearray(pack.read_bytes())
            content[len(content) // 2] ^= 1
            pack.chmod(0o600)
            pack.write_bytes(content)
    there = Repository(tmp_path / "there", "key")
    there.create(like=ours)
    with pytest.raises(ResticError) as refused:
        there.copy(ours, [snapshot], timeout=120, keep_going=go_on)
    assert isinstance(refused.value, RepositoryDamaged)
    assert there.snapshots() == []
