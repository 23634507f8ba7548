"""Archives that people bring: what is in one, and why one is refused. Nothing is unpacked here.

Taken are zips of Odoo's database manager, Odoo Online, Odoo.sh and Berth (see hosting/archives.py), and pg_dump's
custom format. Of a zip its directory, `manifest.json` and the beginning of `dump.sql` are read, each with a cap; the
rest is for a container (hosting/inside/unpack.py). What a zip's directory says is binding: no more comes out.
"""

import json
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from hosting import archives

LONGEST = 20 * 1024**3  # bytes of an archive
ENTRIES, DIRECTORY = 1_000_000, 256 * 1024**2  # of a zip: how many, and bytes of what lists them
ENTRY = b"PK\x01\x02"  # with which each begins in that list
RATIO, SMALL = 250, 1024**2  # how much an entry may shrink, if it is not small
MANIFEST, HEAD = 5 * 1024**2, 64 * 1024  # bytes that are read
UNTOUCHED = "Nothing was changed."
FILE = re.compile(r"filestore/[0-9a-f]{2}/[0-9a-f]{40}")
_SERIES = re.compile(r"\d{1,2}\.0")
AGAIN = "Upload it again, or make it anew."
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, UnicodeError)
_ODOO_ZIP = "Make a backup in Odoo's database manager, as a zip with the filestore, and import that."


class Refused(Exception):
    """An archive that is not imported: what is wrong with it, and what to do."""

    def __init__(self, title: str, detail: str, remedy: str = _ODOO_ZIP) -> None:
        self.title, self.detail, self.remedy = title, f"{detail} {UNTOUCHED}", remedy
        super().__init__(title)


@dataclass(frozen=True)
class Found:
    """What an archive says of itself. Nothing of it is believed before the database was restored and looked at."""

    form: str  # zip, or custom: pg_dump's
    bytes: int  # of database and files when they are unpacked
    series: str = ""  # "" where only the database says it
    database: str = ""
    enterprise: bool = False
    files: int = 0
    modules: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def look(path: Path, series: str) -> Found:
    """What is in the archive, if it can be imported where Odoo `series` runs. Raises Refused, OSError."""
    with archives.opened(path) as stream:
        size, magic = os.fstat(stream.fileno()).st_size, stream.read(8)
        if size > LONGEST:
            raise Refused("The archive is too large", f"It has {size:,} bytes; {LONGEST:,} are allowed.")
        if magic.startswith(b"PGDMP"):
            return Found(form="custom", bytes=size * 6)  # it is compressed, and does not say how much
        if not magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            raise Refused("This is no zip", "It is neither a zip nor pg_dump's custom format.")
        return _look_into(stream, size, series)


def _look_into(stream: IO[bytes], size: int, series: str) -> Found:
    _check_directory(stream, size)
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
            check_entries(entries, archive.start_dir)
            _check_parts({entry.filename for entry in entries})
            about = _manifest(archive)
            _check_series(about, series)
            _check_dump(archive)
    except _DAMAGE as error:
        raise Refused("The zip is damaged", f"It can't be read: {error}.", AGAIN) from error
    modules = {str(name)[:200]: str(version)[:50] for name, version in about["modules"].items()}
    return Found(
        form="zip",
        bytes=sum(entry.file_size for entry in entries),
        series=series,
        database=str(about.get("db_name", ""))[:100],
        enterprise="web_enterprise" in modules or "+e" in str(about.get("version", "")),
        files=sum(FILE.fullmatch(entry.filename) is not None for entry in entries),
        modules=modules,
    )


# --- the zip itself ---------------------------------------------------------------------------------------------------
def _check_directory(stream: IO[bytes], size: int) -> None:
    """How many entries there are is looked up before all of them are read into memory. Raises Refused."""
    count, length, ends = _end(stream, size)
    if count <= ENTRIES and length <= DIRECTORY:
        stream.seek(max(ends - length, 0))
        count = stream.read(length).count(ENTRY)  # what the end says may be less than there is
        if count <= ENTRIES:
            stream.seek(0)
            return
    raise Refused("The zip has too many entries", f"It names {count:,}; {ENTRIES:,} are allowed.")


def _end(stream: IO[bytes], size: int) -> tuple[int, int, int]:
    """How many entries a zip has, how many bytes their list has, and where that ends (APPNOTE.TXT 4.3.14 to 4.3.16)."""
    begin = max(size - 65_557, 0)
    stream.seek(begin)
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise Refused("The zip is damaged", "Its end is missing.", "Upload it again: it may have been cut off.")
    count, length = struct.unpack("<10xHL6x", tail[at : at + 22])
    locator = tail[at - 20 : at] if at >= 20 else b""
    if not locator.startswith(b"PK\x06\x07"):
        return count, length, begin + at
    ends = begin + at - 20 - 56  # where the longer record stands that Python reads, wherever the locator leads
    stream.seek(max(ends, 0))
    record = stream.read(56)
    if ends < 0 or not record.startswith(b"PK\x06\x06") or struct.unpack("<8xQ4x", locator)[0] != ends:
        raise Refused("The zip is damaged", "Its end can't be read.", AGAIN)
    count, length = struct.unpack("<32xQQ8x", record)
    return count, length, ends


def check_entries(entries: Iterable[zipfile.ZipInfo], end: int) -> None:
    """Raises Refused for a name that leads elsewhere, what is no file, and what could be more than it seems."""
    names: set[str] = set()
    places = []
    for entry in entries:
        if reason := _amiss(entry):
            raise Refused("The zip holds what no backup of Odoo does", f"{_shown(entry)}: {reason}.")
        if entry.filename in names:
            raise Refused("The zip holds what no backup of Odoo does", f"{_shown(entry)} is in it twice.")
        names.add(entry.filename)
        places.append((entry.header_offset, entry.header_offset + 30 + entry.compress_size))
    places.sort()
    ends = [begin for begin, _end in places[1:]] + [end]
    if any(last > limit for (_begin, last), limit in zip(places, ends, strict=True)) and places:
        raise Refused("The zip holds what no backup of Odoo does", "Its entries overlap, as in a zip bomb.")


def _amiss(entry: zipfile.ZipInfo) -> str:
    name, kind = entry.orig_filename, stat.S_IFMT(entry.external_attr >> 16)
    if "\0" in name or "\\" in name or len(name) > 1000:
        return "this is no name for a file"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "an absolute name"
    if {"..", "."} & set(name.split("/")):
        return "a name that leads out of it"
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "a link" if kind == stat.S_IFLNK else "a device, which is no file"
    if entry.flag_bits & 0x41:
        return "it is encrypted"
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return "it is compressed in a way that Odoo doesn't use"
    if entry.file_size > max(entry.compress_size * RATIO, SMALL):
        return f"it would grow from {entry.compress_size:,} to {entry.file_size:,} bytes, as in a zip bomb"
    return ""


def _shown(entry: zipfile.ZipInfo) -> str:
    return ascii(entry.orig_filename[:120])


def _check_parts(names: set[str]) -> None:
    missing = {"dump.sql", "manifest.json"} - names
    if not missing:
        return
    below = sorted(name for name in names if name.endswith("/manifest.json") and name.count("/") < 4)
    if below:
        raise Refused(
            "The backup is in a folder of the zip",
            f"{below[0][:120]!r} should be manifest.json.",
            "Zip what is in that folder.",
        )
    if any(name.endswith(".zip") for name in names):
        raise Refused(
            "There is a zip within the zip", "The backup itself is not looked for in it.", "Import the inner one."
        )
    raise Refused("This is no backup of Odoo", f"It lacks {' and '.join(sorted(missing))}.")


# --- what it says of itself -------------------------------------------------------------------------------------------
def _manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    entry = archive.getinfo("manifest.json")
    if entry.file_size > MANIFEST:
        raise Refused("The manifest is too large", f"manifest.json has {entry.file_size:,} bytes.")
    try:
        about = json.loads(archive.read(entry).decode())
    except (ValueError, RecursionError) as error:
        raise Refused("The manifest can't be read", f"manifest.json: {error}.") from error
    if not isinstance(about, dict) or not isinstance(about.get("modules"), dict):
        raise Refused("The manifest can't be read", "manifest.json does not list the modules.")
    return about


def _check_series(about: dict[str, Any], series: str) -> None:
    said = str(about.get("major_version") or about.get("version") or "").partition("+")[0][:40]
    if said.startswith("saas~"):
        raise Refused(
            f"Odoo {said} runs on Odoo Online alone",
            f"Intermediate versions are not released for other servers; this project runs Odoo {series}.",
            f"Upgrade the database to {series} on Odoo Online, then download it again.",
        )
    if not _SERIES.fullmatch(said):
        raise Refused("The manifest does not say of which Odoo it is", f"Its version is {ascii(said)}.")
    if said != series:
        raise Refused(
            f"This is a database of Odoo {said}",
            f"The project runs Odoo {series}, which can't open it.",
            f"Upgrade the database to {series} first, or import it into a project of {said}.",
        )


def _check_dump(archive: zipfile.ZipFile) -> None:
    """Its beginning: plain SQL of pg_dump, in UTF-8. What follows is PostgreSQL's to judge. Raises Refused."""
    with archive.open("dump.sql") as stream:
        head = stream.read(HEAD)
    if head.startswith(b"PGDMP"):
        raise Refused("dump.sql is no SQL", "It has pg_dump's custom format.", "Import that file by itself.")
    encoding = re.search(rb"^SET client_encoding = '([^']{1,20})'", head, re.MULTILINE)
    named = encoding[1].decode(errors="replace") if encoding else ""
    if b"\0" in head or (named and named.upper() not in {"UTF8", "UTF-8"}):
        raise Refused("The dump is in another encoding", f"It is {named or 'no UTF-8'}; Odoo's databases are in UTF-8.")
    try:
        head[: max(len(head) - 4, 0)].decode()
    except UnicodeDecodeError as error:
        if error.end < len(head) - 8:
            raise Refused("The dump is in another encoding", f"It is no UTF-8: {error.reason}.") from error
    if b"PostgreSQL database dump" not in head:
        raise Refused("dump.sql is no dump of PostgreSQL", "It does not begin as one of pg_dump's does.")
