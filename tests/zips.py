"""Zips like those of Odoo's database manager, and like nothing that it ever made."""

import hashlib
import json
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

SQL = """--
-- PostgreSQL database dump
--

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

"""
CONTENT = b"an attachment"
DIGEST = hashlib.sha1(CONTENT).hexdigest()
NAME = f"filestore/{DIGEST[:2]}/{DIGEST}"


def manifest(**values: Any) -> bytes:
    about = {
        "odoo_dump": "1",
        "db_name": "shop",
        "version": "18.0",
        "version_info": [18, 0, 0, "final", 0, ""],
        "major_version": "18.0",
        "pg_version": "15.0",
        "modules": {"base": "18.0.1.3", "web": "18.0.1.0"},
    }
    return json.dumps(about | values).encode()


def write(path: Path, sql: str | bytes = SQL, about: bytes | None = None, **more: bytes) -> Path:
    """A zip with these parts, one attachment, and `more` entries by their names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("dump.sql", sql)
        archive.writestr("manifest.json", manifest() if about is None else about)
        archive.writestr(NAME, CONTENT)
        for name, content in more.items():
            archive.writestr(name, content)
    return path


def add(path: Path, name: str, content: bytes = b"x", kind: int = stat.S_IFREG) -> None:
    """An entry of any kind; one that is there already gets a second of its name."""
    entry = zipfile.ZipInfo(name)
    entry.filename, entry.external_attr = name, (kind | 0o777) << 16
    entry.create_system = 3
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, content)


def patch_directory(path: Path, name: str, change: Callable[[bytearray, int], None]) -> None:
    """Change what the zip's directory says of an entry: `change` gets all bytes, and where its record begins."""
    content, wanted, at = bytearray(path.read_bytes()), name.encode(), 0
    while (at := content.find(b"PK\x01\x02", at)) >= 0:
        (length,) = struct.unpack_from("<H", content, at + 28)
        if bytes(content[at + 46 : at + 46 + length]) == wanted:
            change(content, at)
        at += 4
    path.write_bytes(content)


def encrypt(content: bytearray, at: int) -> None:
    struct.pack_into("<H", content, at + 8, struct.unpack_from("<H", content, at + 8)[0] | 1)


def overlap(content: bytearray, at: int) -> None:
    """Its content begins where that of the first entry does."""
    struct.pack_into("<L", content, at + 42, 0)


def count_millions(path: Path) -> None:
    """Its end says that there are more entries than anybody wants to read."""
    content = bytearray(path.read_bytes())
    end = content.rfind(b"PK\x05\x06")
    record = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 5_000_000, 5_000_000, 1 << 40, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    path.write_bytes(bytes(content[:end]) + record + locator + bytes(content[end:]))


def count_millions_elsewhere(path: Path) -> None:
    """What leads to its end leads to a harmless record, before which stands the one that Python reads."""
    content = bytearray(path.read_bytes())
    end = content.rfind(b"PK\x05\x06")
    harmless, harmful = (
        struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, 0)
        for count, size in ((3, 300), (5_000_000, 1 << 40))
    )
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    path.write_bytes(bytes(content[:end]) + harmless + harmful + locator + bytes(content[end:]))


def say_fewer(path: Path) -> None:
    """Its end says that there is one entry."""
    content = bytearray(path.read_bytes())
    end = content.rfind(b"PK\x05\x06")
    struct.pack_into("<HH", content, end + 8, 1, 1)
    path.write_bytes(content)


def bomb(path: Path) -> None:
    add_deflated(path, "filestore/aa/" + "a" * 40, bytes(50_000_000))


def add_deflated(path: Path, name: str, content: bytes) -> None:
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
