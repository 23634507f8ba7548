"""A backup as people take it away: a zip as Odoo's database manager makes it, or the dump alone.

    dump.sql         of pg_dump, plain
    filestore/ab/ab01...
    manifest.json    which Odoo it is of, and its modules

The dump is made plain by a container without any network: what a tenant wrote is in it.
"""

import gzip
import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from hosting import copies, machines, pools
from hosting.engines.docker import Mount
from hosting.models import Instance
from portal.telling import Telling

PLAIN_S = 6 * 3600
PIECE = 1024 * 1024
QUICK = 1  # of zlib's levels: a dump shrinks to a fifth, in a third of the time that the usual level takes

Told = Callable[[int], None]  # how many more bytes were read


def make_plain(instance: Instance, fetched: Path, telling: Telling) -> Path:
    """Turn the dump of a fetched backup (hosting/restores.py) into plain SQL, with the name of `instance`, which is a
    throwaway. Returns the file. Raises PlatformError.
    """
    out = fetched.with_name("plain")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(mode=0o700)
    pools.give_to_tenant(out)
    # Without comments: those on extensions are refused to who is no superuser, and end a strict restore.
    argv = ["pg_restore", "--no-owner", "--no-acl", "--no-comments", f"--file={copies.TO}/dump.sql"]
    mounts = (
        Mount(str(fetched / "database"), copies.INSIDE, read_only=True),
        Mount(str(out), copies.TO, read_only=False),
    )
    spec = replace(copies.bare_spec(instance, telling), argv=(*argv, f"{copies.INSIDE}/dump"), mounts=mounts)
    copies.run(spec, instance, telling, timeout=PLAIN_S, doing="written as SQL")
    return out / "dump.sql"


def odoo_manifest(manifest: Mapping[str, Any], *, database: str, postgresql: str) -> dict[str, Any]:
    """What Odoo writes into its zips, of a backup's manifest."""
    series = str(manifest["series"])
    return {
        "odoo_dump": "1",
        "db_name": database,
        "version": series,
        "version_info": [*(int(part) for part in series.split(".")), 0, "final", 0, ""],
        "major_version": series,
        "pg_version": postgresql,
        "modules": dict(manifest["modules"]),
    }


def write_zip(target: Path, *, dump: Path, files: Path, manifest: Mapping[str, Any], told: Told) -> None:
    """Files of the filestore are stored as they are: most are compressed already."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=QUICK) as archive:
        with opened(dump) as source, archive.open("dump.sql", "w", force_zip64=True) as to:
            _copy(source, to, told)
        for name, path in _stored(files):
            plain = zipfile.ZipInfo(f"filestore/{name}")  # without compression
            with opened(path) as source, archive.open(plain, "w", force_zip64=True) as to:
                _copy(source, to, told)
        archive.writestr("manifest.json", json.dumps(manifest, indent=4))


def write_gzip(target: Path, *, dump: Path, told: Told) -> None:
    with opened(dump) as source, gzip.open(target, "wb", compresslevel=QUICK) as to:
        _copy(source, to, told)


def _stored(files: Path) -> Iterator[tuple[str, Path]]:
    for shelf in sorted(files.iterdir()) if files.exists() else ():
        yield from ((f"{shelf.name}/{file.name}", file) for file in sorted(shelf.iterdir()))


def opened(path: Path) -> IO[bytes]:
    """A regular file, which is no link to another one. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no regular file")
    return open(descriptor, "rb")


def _copy(source: IO[bytes], to: IO[bytes] | gzip.GzipFile, told: Told) -> None:
    while piece := source.read(PIECE):
        to.write(piece)
        told(len(piece))


def postgresql_of(instance: Instance) -> str:
    """As Odoo says it: `15.0`."""
    return f"{machines.cluster(instance.database_server).version().major}.0"
