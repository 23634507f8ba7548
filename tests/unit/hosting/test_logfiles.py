"""The tenant writes in the folder: what is read there is chosen with care."""

import os
from pathlib import Path

import pytest
from pytest_django import Settings

from hosting import logfiles
from hosting.logfiles import NoSuchLog, Wanted
from hosting.models import Instance

LINE = "2026-11-21 20:56:29,{:03d} 11 {} db werkzeug: request {}\n"


@pytest.fixture
def instance(settings: Settings, tmp_path: Path) -> Instance:
    settings.BERTH_HOME = tmp_path
    (tmp_path / "instances" / "i42" / "log").mkdir(parents=True)
    return Instance(pk=42)


@pytest.fixture
def folder(instance: Instance, tmp_path: Path) -> Path:
    return tmp_path / "instances" / "i42" / "log"


def lines(count: int) -> str:
    return "".join(LINE.format(n % 1000, "WARNING" if n % 10 == 0 else "INFO", n) for n in range(count))


def last(entry: logfiles.LogEntry) -> int:
    return int(entry.text.rsplit(" ", 1)[1])


def test_it_lists_log_files_the_newest_first(instance: Instance, folder: Path) -> None:
    (folder / "odoo-i42-g1-web.log").write_text("old")
    os.utime(folder / "odoo-i42-g1-web.log", (1, 1))
    (folder / "odoo-i42-g2-web.log").write_text("newer")
    (folder / "secrets.txt").write_text("no log")

    assert [(file.name, file.size) for file in logfiles.files(instance)] == [
        ("odoo-i42-g2-web.log", 5),
        ("odoo-i42-g1-web.log", 3),
    ]


def test_an_instance_without_a_folder_has_no_logs(settings: Settings, tmp_path: Path) -> None:
    settings.BERTH_HOME = tmp_path

    assert logfiles.files(Instance(pk=7)) == []


def test_it_follows_no_link(instance: Instance, folder: Path) -> None:
    (folder / "odoo-i42-g1-web.log").symlink_to("/etc/shadow")

    assert logfiles.files(instance) == []
    with pytest.raises(NoSuchLog), logfiles.opened(instance, "odoo-i42-g1-web.log"):
        pass


def test_it_follows_no_link_in_place_of_the_folder(instance: Instance, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "odoo.log").write_text("secret")
    folder.rmdir()
    folder.symlink_to(tmp_path / "elsewhere")

    assert logfiles.files(instance) == []
    with pytest.raises(NoSuchLog), logfiles.opened(instance, "odoo.log"):
        pass


def test_it_does_not_wait_for_a_pipe(instance: Instance, folder: Path) -> None:
    os.mkfifo(folder / "odoo.log")

    assert logfiles.files(instance) == []
    with pytest.raises(NoSuchLog), logfiles.opened(instance, "odoo.log"):
        pass


@pytest.mark.parametrize("name", ["../../../env", "/etc/passwd", "odoo/../../x.log", "odoo.log\x00", "", "other.log"])
def test_it_opens_no_other_name(name: str, instance: Instance) -> None:
    with pytest.raises(NoSuchLog), logfiles.opened(instance, name):
        pass


def test_it_reads_the_end_and_then_what_comes_before(instance: Instance, folder: Path) -> None:
    (folder / "odoo.log").write_text(lines(5_000))

    with logfiles.opened(instance, "odoo.log") as stream:
        page = logfiles.read_back(stream, None, Wanted())
        earlier = logfiles.read_back(stream, page.start, Wanted())

    assert last(page.entries[-1]) == 4_999
    assert len(page.entries) >= logfiles.ENTRIES
    assert last(earlier.entries[-1]) == last(page.entries[0]) - 1


def test_reading_back_to_the_start_gives_every_entry_once(instance: Instance, folder: Path) -> None:
    (folder / "odoo.log").write_text(lines(5_000))
    before: int | None = None
    found: list[logfiles.LogEntry] = []
    with logfiles.opened(instance, "odoo.log") as stream:
        while before != 0:
            page = logfiles.read_back(stream, before, Wanted())
            found, before = page.entries + found, page.start

    assert [last(entry) for entry in found] == list(range(5_000))


def test_a_traceback_belongs_to_its_error(instance: Instance, folder: Path) -> None:
    text = (
        LINE.format(1, "ERROR", 1) + "Traceback (most recent call last):\nKeyError: 'x'\n" + LINE.format(2, "INFO", 2)
    )
    (folder / "odoo.log").write_text(text)

    with logfiles.opened(instance, "odoo.log") as stream:
        page = logfiles.read_back(stream, None, Wanted(level="ERROR"))

    assert len(page.entries) == 1
    assert page.entries[0].text.endswith("KeyError: 'x'")


def test_it_filters_by_level_and_text(instance: Instance, folder: Path) -> None:
    (folder / "odoo.log").write_text(lines(100))

    with logfiles.opened(instance, "odoo.log") as stream:
        page = logfiles.read_back(stream, None, Wanted(level="WARNING", text="REQUEST 2"))

    assert [last(entry) for entry in page.entries] == [20]


def test_it_reads_on_in_whole_lines(instance: Instance, folder: Path) -> None:
    file = folder / "odoo.log"
    file.write_text(LINE.format(1, "INFO", 1) + "2026-11-21 20:56:29,002 11 IN")
    with logfiles.opened(instance, "odoo.log") as stream:
        first = logfiles.read_on(stream, 0, Wanted())
    file.write_text(LINE.format(1, "INFO", 1) + LINE.format(2, "INFO", 2))
    with logfiles.opened(instance, "odoo.log") as stream:
        second = logfiles.read_on(stream, first.end, Wanted())

    assert [last(entry) for entry in first.entries] == [1]
    assert [last(entry) for entry in second.entries] == [2]


def test_a_file_that_was_begun_anew_is_read_from_its_start(instance: Instance, folder: Path) -> None:
    (folder / "odoo.log").write_text(LINE.format(1, "INFO", 1))

    with logfiles.opened(instance, "odoo.log") as stream:
        page = logfiles.read_on(stream, 1_000_000, Wanted())

    assert [last(entry) for entry in page.entries] == [1]


@pytest.mark.parametrize("content", [b"", b"\n" * 300_000, b"x" * 300_000, b"\xff\xfe\x00" * 50_000])
def test_it_ends_whatever_the_tenant_wrote(content: bytes, instance: Instance, folder: Path) -> None:
    (folder / "odoo.log").write_bytes(content)
    before, rounds = None, 0
    with logfiles.opened(instance, "odoo.log") as stream:
        while before != 0 and rounds < 100:
            before, rounds = logfiles.read_back(stream, before, Wanted()).start, rounds + 1

    assert before == 0


def test_it_follows_a_file_across_its_rotation(instance: Instance, folder: Path) -> None:
    file = folder / "odoo.log"
    file.write_text(lines(2))
    page = follow(instance, None)
    with file.open("a") as still_open:
        file.rename(folder / "odoo.log.1")
        assert follow(instance, page).entries == []  # and no error, though nothing has the name now
        still_open.write(LINE.format(2, "INFO", 2))
    file.write_text(LINE.format(3, "INFO", 3) + LINE.format(4, "INFO", 4))
    page = follow(instance, page)
    assert [last(entry) for entry in page.entries] == [2]
    page = follow(instance, page)
    assert [last(entry) for entry in page.entries] == [3, 4]
    assert follow(instance, page).entries == []


def follow(instance: Instance, page: logfiles.LogPage | None) -> logfiles.LogPage:
    return logfiles.follow(instance, "odoo.log", page.end if page else 0, page.inode if page else 0, Wanted())
