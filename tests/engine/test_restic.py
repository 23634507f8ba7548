"""restic itself: what it stores comes back, and what is wrong with a repository is told apart."""

import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosting.engines.restic import (
    PROGRAM,
    DiskFull,
    Locked,
    Progress,
    Repository,
    RepositoryDamaged,
    RepositoryMissing,
    ResticError,
    Snapshot,
    Stored,
    Unread,
    WrongKey,
)
from portal.commands import CommandError, run

pytestmark = pytest.mark.engine

MIB = 1024 * 1024
PATIENCE_S = 60.0


class Stopped(Exception):
    pass


def nothing(_progress: Progress) -> None:
    pass


def go_on() -> None:
    pass


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "vault", secrets.token_urlsafe())
    made.create()
    return made


@pytest.fixture
def content(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    (folder / "files" / "ab").mkdir(parents=True)
    (folder / "files" / "ab" / "one").write_bytes(secrets.token_bytes(MIB))
    (folder / "manifest.json").write_text("{}")
    return folder


def store(repository: Repository, folder: Path, tag: str = "backup-1") -> Stored:
    return repository.store(folder, tag=tag, timeout=120, told=nothing, keep_going=go_on)


def restore(repository: Repository, snapshot: str, target: Path) -> dict[str, bytes]:
    repository.restore(snapshot, target, timeout=120, keep_going=go_on)
    return read(target)


def read(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def flip_a_bit(file: Path) -> None:
    """In its middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)


def largest_pack(repository: Repository) -> Path:
    packs = [file for file in (repository.folder / "data").rglob("*") if file.is_file()]
    return max(packs, key=lambda file: file.stat().st_size)


def test_what_was_stored_comes_back(repository: Repository, content: Path, tmp_path: Path) -> None:
    stored = store(repository, content)
    assert restore(repository, stored.snapshot, tmp_path / "back") == read(content)
    assert repository.snapshots() == [Snapshot(stored.snapshot, frozenset({"backup-1"}))]
    assert stored.size == MIB + 2
    assert stored.new >= MIB


def test_what_is_there_already_is_not_new_though_its_folder_is_another(
    repository: Repository, content: Path, tmp_path: Path
) -> None:
    """As with a filestore that is hard-linked anew for each backup."""
    store(repository, content)
    again = tmp_path / "again"
    run(["cp", "--recursive", "--link", str(content), str(again)], timeout=10)
    (again / "files" / "ab" / "two").write_bytes(b"a new file")
    second = store(repository, again, "backup-2")
    assert second.size == MIB + 12
    assert second.new < 20_000
    assert set(restore(repository, second.snapshot, tmp_path / "back")) >= {"files/ab/one", "files/ab/two"}


def test_a_linked_file_is_not_read_again(repository: Repository, content: Path, tmp_path: Path) -> None:
    store(repository, content)
    again = tmp_path / "again"
    run(["cp", "--recursive", "--link", str(content), str(again)], timeout=10)
    file = again / "files" / "ab" / "one"
    before = file.stat()
    file.write_bytes(b"x" * MIB)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # so that only reading could tell
    second = store(repository, again, "backup-2")
    assert restore(repository, second.snapshot, tmp_path / "back")["files/ab/one"] != file.read_bytes()


def test_it_tells_how_far_it_is(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "much").mkdir()
    for number in range(8):
        (tmp_path / "much" / str(number)).write_bytes(secrets.token_bytes(16 * MIB))
    told: list[Progress] = []
    repository.store(tmp_path / "much", tag="backup-1", timeout=120, told=told.append, keep_going=go_on)
    assert told  # the first word comes at once, then one each second, while restic still counts the files
    assert all(0 < progress.bytes_total <= 128 * MIB for progress in told)
    assert all(progress.bytes_done <= progress.bytes_total for progress in told)


def test_another_key_opens_nothing(repository: Repository, content: Path) -> None:
    store(repository, content)
    with pytest.raises(WrongKey):
        Repository(repository.folder, "another").snapshots()


def test_a_repository_that_is_gone_is_missing_and_not_made_anew(repository: Repository, content: Path) -> None:
    (repository.folder / "config").unlink()
    assert not repository.exists()
    with pytest.raises(RepositoryMissing):
        store(repository, content)


def test_a_repository_is_never_made_twice(repository: Repository) -> None:
    with pytest.raises(ResticError, match="already"):
        repository.create()


def test_a_flipped_bit_of_a_pack_is_found_when_it_is_read(
    repository: Repository, content: Path, tmp_path: Path
) -> None:
    stored = store(repository, content)
    repository.check(read_data=True)
    flip_a_bit(largest_pack(repository))
    with pytest.raises(RepositoryDamaged):
        repository.check(read_data=True)
    with pytest.raises(RepositoryDamaged):
        restore(repository, stored.snapshot, tmp_path / "back")


def test_a_damaged_snapshot_before_hinders_no_storing_but_the_check_says_so(
    repository: Repository, content: Path
) -> None:
    store(repository, content)
    for pack in (repository.folder / "data").rglob("*"):
        if pack.is_file():
            flip_a_bit(pack)
    (content / "new").write_text("new")
    store(repository, content, "backup-2")
    with pytest.raises(RepositoryDamaged):
        repository.check()


def test_what_can_not_be_read_is_no_backup(repository: Repository, content: Path) -> None:
    """restic would go on without it. Here it is the kernel's file of a process's memory, which nobody reads."""
    (content / "memory").touch()
    run(["mount", "--bind", "/proc/self/mem", str(content / "memory")], timeout=10)
    try:
        with pytest.raises(Unread):
            store(repository, content)
    finally:
        run(["umount", str(content / "memory")], timeout=10)


def test_a_missing_pack_is_found_at_once(repository: Repository, content: Path) -> None:
    store(repository, content)
    repository.check()
    largest_pack(repository).unlink()
    with pytest.raises(RepositoryDamaged):
        repository.check()


def test_a_missing_index_is_found(repository: Repository, content: Path) -> None:
    store(repository, content)
    for file in (repository.folder / "index").iterdir():
        file.unlink()
    with pytest.raises(RepositoryDamaged):
        repository.check()


def test_a_flipped_bit_of_the_configuration_is_damage(repository: Repository) -> None:
    flip_a_bit(repository.folder / "config")
    with pytest.raises(RepositoryDamaged):
        repository.snapshots()


def test_what_is_forgotten_is_gone_and_the_rest_comes_back(
    repository: Repository, content: Path, tmp_path: Path
) -> None:
    first = store(repository, content)
    (content / "files" / "ab" / "one").write_bytes(secrets.token_bytes(MIB))
    second = store(repository, content, "backup-2")
    before = size(repository)
    repository.forget([first.snapshot], timeout=120, keep_going=go_on)
    assert [each.key for each in repository.snapshots()] == [second.snapshot]
    assert size(repository) < before - MIB // 2
    assert restore(repository, second.snapshot, tmp_path / "back") == read(content)


def size(repository: Repository) -> int:
    return sum(file.stat().st_size for file in repository.folder.rglob("*") if file.is_file())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)], timeout=10)
    yield folder
    run(["umount", str(folder)], timeout=10)


def test_a_full_disk_is_said(small_disk: Path, tmp_path: Path) -> None:
    repository = Repository(small_disk / "vault", "key")
    repository.create()
    (tmp_path / "much").mkdir()
    (tmp_path / "much" / "file").write_bytes(secrets.token_bytes(16 * MIB))
    with pytest.raises(DiskFull):
        store(repository, tmp_path / "much")
    assert repository.snapshots() == []


def test_a_copy_that_finds_no_room_says_so_and_not_restics_stack(small_disk: Path, tmp_path: Path) -> None:
    ours, there = Repository(tmp_path / "vault", "key"), Repository(small_disk / "vault", "key")
    ours.create()
    there.create(like=ours)
    (tmp_path / "much").mkdir()
    (tmp_path / "much" / "file").write_bytes(secrets.token_bytes(16 * MIB))
    stored = store(ours, tmp_path / "much")
    with pytest.raises(DiskFull, match="no space left on device") as refused:
        there.copy(ours, [stored.snapshot], timeout=60, keep_going=lambda: None)
    assert ".go:" not in str(refused.value)


def locks(repository: Repository) -> set[str]:
    return {file.name for file in (repository.folder / "locks").iterdir()}


def wait_for_lock(repository: Repository) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not locks(repository):
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.02)


def test_one_that_is_killed_leaves_a_lock_that_the_next_removes(
    repository: Repository, content: Path, tmp_path: Path
) -> None:
    def stop_in_the_middle() -> None:
        if locks(repository):
            raise Stopped

    endless = tmp_path / "endless"
    endless.mkdir()
    for number in range(40):
        (endless / str(number)).write_bytes(secrets.token_bytes(4 * MIB))
    with pytest.raises(Stopped):
        repository.store(endless, tag="backup-1", timeout=120, told=nothing, keep_going=stop_in_the_middle)
    assert locks(repository)
    stored = store(repository, content, "backup-2")
    assert [each.key for each in repository.snapshots()] == [stored.snapshot]
    repository.forget([stored.snapshot], timeout=120, keep_going=go_on)
    assert not locks(repository)


def test_one_at_work_is_not_pruned_beneath(repository: Repository, content: Path) -> None:
    stored = store(repository, content)
    reading, writing = os.pipe()
    argv = [*PROGRAM, "backup", "--stdin"]
    environment = os.environ | {"RESTIC_REPOSITORY": str(repository.folder), "RESTIC_PASSWORD": repository.password}
    child = os.posix_spawnp(argv[0], argv, environment, file_actions=[(os.POSIX_SPAWN_DUP2, reading, 0)])
    try:
        wait_for_lock(repository)
        with pytest.raises(Locked):
            repository.forget([stored.snapshot], timeout=120, keep_going=go_on)
        repository.check()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)
    repository.forget([stored.snapshot], timeout=120, keep_going=go_on)
    assert repository.snapshots() == []


def test_it_dies_with_whoever_started_it(repository: Repository, tmp_path: Path) -> None:
    """A worker that is killed must not leave one behind that works on."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(reading, 0)
        threading.Thread(target=wait_for_lock_and_die, args=(repository,), daemon=True).start()
        try:
            os.environ |= {"RESTIC_REPOSITORY": str(repository.folder), "RESTIC_PASSWORD": repository.password}
            os.posix_spawnp(PROGRAM[0], [*PROGRAM, "backup", "--stdin"], os.environ)
            time.sleep(PATIENCE_S)
        finally:
            os._exit(1)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    deadline = time.monotonic() + PATIENCE_S
    while locks(repository) and time.monotonic() < deadline:
        repository.unlock()  # of processes that are no more
        time.sleep(0.1)
    os.close(reading)
    os.close(writing)
    assert not locks(repository)


def wait_for_lock_and_die(repository: Repository) -> None:
    wait_for_lock(repository)
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_key_is_on_no_command_line_and_in_no_error(repository: Repository, content: Path) -> None:
    with pytest.raises(ResticError) as refused:
        repository.create()
    assert isinstance(refused.value.__cause__, CommandError)
    assert repository.password not in f"{refused.value} {refused.value.__cause__.argv} {repository!r}"
