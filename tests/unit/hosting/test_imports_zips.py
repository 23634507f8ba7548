"""What is taken for a backup of Odoo, and what is refused, with its reason and before anything of it is unpacked."""

import io
import stat
import zipfile
from pathlib import Path

import pytest

from hosting import imports
from hosting.imports import Refused
from hosting.inside import unpack
from tests import zips


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return zips.write(tmp_path / "good.zip")


def refused(path: Path, series: str = "18.0") -> Refused:
    with pytest.raises(Refused) as found:
        imports.look(path, series)
    assert "Nothing was changed." in found.value.detail
    assert found.value.remedy
    return found.value


def test_a_zip_of_odoo_says_what_is_in_it(good: Path) -> None:
    found = imports.look(good, "18.0")
    assert (found.form, found.series, found.database, found.files) == ("zip", "18.0", "shop", 1)
    assert found.modules == {"base": "18.0.1.3", "web": "18.0.1.0"}
    assert not found.enterprise
    assert found.bytes == len(zips.SQL) + len(zips.manifest()) + len(zips.CONTENT)


def test_what_odoo_leaves_in_its_filestore_does_no_harm(good: Path) -> None:
    for name in ("filestore/", "filestore/checklist/ab/", f"filestore/checklist/{zips.NAME[10:]}", "README.txt"):
        zips.add(good, name, b"")
    assert imports.look(good, "18.0").files == 1


@pytest.mark.parametrize("about", [zips.manifest(modules={"web_enterprise": "1"}), zips.manifest(version="18.0+e")])
def test_it_knows_enterprise(tmp_path: Path, about: bytes) -> None:
    assert imports.look(zips.write(tmp_path / "e.zip", about=about), "18.0").enterprise


def test_pg_dumps_own_format_is_taken_and_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "shop.dump"
    path.write_bytes(b"PGDMP\x01\x0e\x00" + bytes(100))
    assert (imports.look(path, "18.0").form, imports.look(path, "18.0").series) == ("custom", "")


# --- names and kinds --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "reason"),
    [("../evil", "leads out"), ("filestore/../../evil", "leads out"), ("/etc/passwd", "absolute"),
     ("C:\\evil", "no name"), ("C:/evil", "absolute"), ("filestore/./x", "leads out"), ("a\0b", "no name"),
     ("..\\evil", "no name")],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(good: Path, name: str, reason: str) -> None:
    zips.add(good, name)
    assert reason in refused(good).detail


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(stat.S_IFLNK, "a link"), (stat.S_IFCHR, "a device"), (stat.S_IFBLK, "a device"), (stat.S_IFIFO, "a device")],
)
def test_what_is_no_file_is_refused(good: Path, kind: int, reason: str) -> None:
    zips.add(good, "filestore/link", b"/etc/shadow", kind)
    assert reason in refused(good).detail


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["dump.sql", zips.NAME])
def test_a_name_that_is_there_twice_is_refused(good: Path, name: str) -> None:
    zips.add(good, name)
    assert "twice" in refused(good).detail


# --- bombs ------------------------------------------------------------------------------------------------------------
def test_a_bomb_by_ratio_is_refused(good: Path) -> None:
    zips.bomb(good)
    assert "as in a zip bomb" in refused(good).detail


def test_a_bomb_by_count_is_refused_before_its_list_is_read(good: Path) -> None:
    zips.count_millions(good)
    assert refused(good).title == "The zip has too many entries"


def test_no_other_end_is_read_than_the_one_that_is_judged(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZipFile", lambda _stream: pytest.fail("its list was read into memory"))
    zips.count_millions_elsewhere(good)
    assert refused(good).title == "The zip is damaged"


def test_an_end_that_says_fewer_than_there_are_is_not_believed(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "ENTRIES", 2)
    zips.say_fewer(good)
    monkeypatch.setattr(zipfile, "ZipFile", lambda _stream: pytest.fail("they were read into memory"))
    assert refused(good).title == "The zip has too many entries"


def test_entries_that_overlap_are_refused(good: Path) -> None:
    zips.patch_directory(good, zips.NAME, zips.overlap)
    assert "overlap" in refused(good).detail


def test_one_that_is_larger_than_allowed_is_refused(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "LONGEST", 10)
    assert refused(good).title == "The archive is too large"


# --- damage -----------------------------------------------------------------------------------------------------------
def test_one_that_was_cut_off_is_refused(good: Path) -> None:
    content = good.read_bytes()
    for length in range(8, len(content), 37):
        good.write_bytes(content[:length])
        assert refused(good).title == "The zip is damaged"


def test_an_encrypted_one_is_refused(good: Path) -> None:
    zips.patch_directory(good, "dump.sql", zips.encrypt)
    assert "encrypted" in refused(good).detail


def test_a_compression_that_odoo_does_not_use_is_refused(good: Path) -> None:
    with zipfile.ZipFile(good, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("filestore/lzma", b"x" * 1000)
    assert "compressed in a way" in refused(good).detail


def test_flipped_bits_never_get_further_than_a_refusal(good: Path) -> None:
    content = good.read_bytes()
    for at in range(0, len(content), 11):
        altered = bytearray(content)
        altered[at] ^= 0x40
        good.write_bytes(altered)
        try:
            imports.look(good, "18.0")
        except Refused:
            continue


NO_ZIPS = {
    "empty": b"",
    "short": b"PK",
    "gzip": b"\x1f\x8b\x08\x00" + bytes(50),
    "rar": b"Rar!\x1a\x07" + bytes(50),
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(50),
}


@pytest.mark.parametrize("kind", NO_ZIPS)
def test_what_is_no_zip_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(NO_ZIPS[kind])
    assert refused(path).title == "This is no zip"


def test_a_link_to_another_file_is_never_followed(tmp_path: Path, good: Path) -> None:
    (tmp_path / "link").symlink_to(good)
    with pytest.raises(OSError):  # noqa: PT011
        imports.look(tmp_path / "link", "18.0")


# --- what it says of itself -------------------------------------------------------------------------------------------
def only(path: Path, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def test_one_without_a_manifest_is_refused(tmp_path: Path) -> None:
    found = refused(only(tmp_path / "a.zip", **{"dump.sql": zips.SQL.encode()}))
    assert "It lacks manifest.json" in found.detail


def test_one_within_a_folder_says_so(tmp_path: Path) -> None:
    parts = {"shop/dump.sql": zips.SQL.encode(), "shop/manifest.json": zips.manifest()}
    assert refused(only(tmp_path / "a.zip", **parts)).title == "The backup is in a folder of the zip"


def test_a_zip_within_a_zip_says_so(tmp_path: Path, good: Path) -> None:
    assert refused(only(tmp_path / "a.zip", **{"good.zip": good.read_bytes()})).title == "There is a zip within the zip"


@pytest.mark.parametrize(
    "about", [b"", b"{", b"[]", b'{"modules": []}', b"\xff\xfe", b"[" * 100_000, b'{"version": "18.0"}']
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, about: bytes) -> None:
    assert "manifest" in refused(zips.write(tmp_path / "a.zip", about=about)).title


@pytest.mark.parametrize("said", ["17.0", "19.0", "16.0"])
def test_another_series_is_refused_with_both(tmp_path: Path, said: str) -> None:
    found = refused(zips.write(tmp_path / "a.zip", about=zips.manifest(major_version=said)))
    assert found.title == f"This is a database of Odoo {said}"
    assert "The project runs Odoo 18.0" in found.detail


@pytest.mark.parametrize("said", ["saas~17.4", "saas~18.1+e"])
def test_a_series_of_odoo_online_alone_is_refused_with_the_reason(tmp_path: Path, said: str) -> None:
    found = refused(zips.write(tmp_path / "a.zip", about=zips.manifest(major_version=said)))
    assert found.title == f"Odoo {said.partition('+')[0]} runs on Odoo Online alone"


@pytest.mark.parametrize("said", ["", "x", "18", "18.0.1", None, {"a": 1}])
def test_a_series_that_is_none_is_refused(tmp_path: Path, said: object) -> None:
    about = zips.manifest(major_version=said, version=said)
    assert "of which Odoo" in refused(zips.write(tmp_path / "a.zip", about=about)).title


@pytest.mark.parametrize(
    ("sql", "title"),
    [(zips.SQL.replace("UTF8", "LATIN1"), "another encoding"),
     (zips.SQL.replace("UTF8", "SQL_ASCII"), "another encoding"),
     (zips.SQL.encode("utf-16"), "another encoding"),
     (zips.SQL.encode() + b"\xe4" * 100, "another encoding"),
     ("INSERT INTO x;", "no dump of PostgreSQL"), (b"PGDMP123", "no SQL"), ("", "no dump")],
)  # fmt: skip
def test_a_dump_that_is_none_is_refused(tmp_path: Path, sql: str | bytes, title: str) -> None:
    assert title in refused(zips.write(tmp_path / "a.zip", sql)).title


def test_a_letter_that_is_cut_in_two_where_reading_ends_is_no_other_encoding(tmp_path: Path) -> None:
    for length in range(imports.HEAD - 4, imports.HEAD + 1):
        padded = zips.SQL + "-" * (length - len(zips.SQL)) + "ä€😀" * 50
        assert imports.look(zips.write(tmp_path / "a.zip", padded), "18.0").form == "zip"


# --- the program that unpacks it --------------------------------------------------------------------------------------
RESTRICTED = f"--\n-- PostgreSQL database dump\n--\n\n\\restrict {'a' * 63}\n\nSELECT 1;\n"


@pytest.mark.parametrize("length", [0, 100, 1024**2 - 50, 3 * 1024**2])
def test_pg_dumps_own_restriction_is_taken_out_and_nothing_else(length: int) -> None:
    data = "x" * length + "\n\\restrict x\n"  # this is data: a row that begins with a carriage return
    sql = f"{RESTRICTED}{data}{'y' * 300}\n\n\\unrestrict {'a' * 63}\n\n"
    fed = io.BytesIO()
    unpack.feed(io.BytesIO(sql.encode()), fed)
    expected = sql.replace(f"\\restrict {'a' * 63}", "").replace(f"\\unrestrict {'a' * 63}", "")
    assert fed.getvalue().decode() == expected


def test_files_are_unpacked_and_those_with_another_content_are_named(tmp_path: Path, good: Path) -> None:
    zips.add(good, f"filestore/ff/{'f' * 40}", b"another content")
    zips.add(good, f"filestore/checklist/ee/{'e' * 40}", b"")  # Odoo's list of what may be removed
    zips.add(good, "filestore/readme", b"")
    (tmp_path / "out").mkdir()
    with zipfile.ZipFile(good) as archive:
        assert unpack.unpack(archive, tmp_path / "out") == [f"ff/{'f' * 40}"]
    assert {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()} == {
        zips.NAME[10:],
        f"ff/{'f' * 40}",
    }
    assert (tmp_path / "out" / zips.NAME[10:]).read_bytes() == zips.CONTENT


SAID: list[tuple[str, bool]] = [
    ("psql:<stdin>:40: ERROR:  must be owner of extension pg_trgm", False),
    ('psql:<stdin>:41: ERROR:  role "readonly" does not exist', False),
    ('psql:<stdin>:9: ERROR:  unrecognized configuration parameter "transaction_timeout"', False),
    ("psql:<stdin>:9: NOTICE:  extension \"unaccent\" already exists, skipping", False),
    ("psql:<stdin>:9: error: backslash commands are restricted; only \\unrestrict is allowed", True),
    ('psql:<stdin>:9: ERROR:  permission denied to create extension "plpython3u"', True),
    ("psql:<stdin>:9: ERROR:  must be superuser to COPY to or from an external program", True),
    ('psql:<stdin>:9: ERROR:  permission denied to create event trigger "x"', True),
    ("psql:<stdin>:9: ERROR:  must have CREATEROLE privilege to change another user's password", True),
    ('psql:<stdin>:9: ERROR:  invalid byte sequence for encoding "UTF8": 0xe4', True),
    ("psql: error: connection to server failed", True),
]  # fmt: skip


@pytest.mark.parametrize(("line", "stops"), SAID)
def test_only_what_another_server_explains_is_passed_over(line: str, stops: bool) -> None:
    class Psql:
        killed = False

        def kill(self) -> None:
            self.killed = True

    psql, errors = Psql(), []  # type: ignore[var-annotated]
    unpack.listen(psql, io.BytesIO(f"{line}\nanother line\n".encode()), errors)  # type: ignore[arg-type]
    assert (psql.killed, errors) == (stops, [line] if stops else [])
