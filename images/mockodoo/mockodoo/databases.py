"""Databases as a whole: create, duplicate, dump, load, rename, drop (`odoo db`, `/web/database`, the `db` service)."""

import hmac
import json
import logging
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import IO, Any

from . import neutralization, postgres, release
from .options import config
from .orm.exceptions import AccessDenied
from .postgres import Cursor, identifier

_logger = logging.getLogger("odoo.service.db")


class DatabaseExists(Exception):
    pass


def check_super(password: str) -> None:
    """Raises AccessDenied unless this is `admin_passwd`."""
    if not hmac.compare_digest(str(password).encode(), str(config["admin_passwd"]).encode()):
        raise AccessDenied


def exists(name: str) -> bool:
    with Cursor("postgres") as cr:
        cr.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        return cr.fetchone() is not None


def create_empty(name: str) -> None:
    """Raises DatabaseExists, psycopg2.errors.InsufficientPrivilege and other psycopg2 errors."""
    if exists(name):
        raise DatabaseExists(f"database {name!r} already exists!")
    template = config["db_template"]
    collate = "LC_COLLATE 'C'" if template == "template0" else ""
    with postgres.autocommit() as cursor:
        cursor.execute(
            f"CREATE DATABASE {identifier(name)} ENCODING 'unicode' {collate} TEMPLATE {identifier(template)}"
        )


def end_connections(name: str) -> None:
    postgres.close_all(name)
    with postgres.autocommit() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid != pg_backend_pid()",
            (name,),
        )


def duplicate(source: str, target: str, *, neutralize: bool = False) -> None:
    """Copy database and filestore. As with Odoo, connections to the source are ended."""
    end_connections(source)
    with postgres.autocommit() as cursor:
        cursor.execute(f"CREATE DATABASE {identifier(target)} ENCODING 'unicode' TEMPLATE {identifier(source)}")
    _renew_identity(target)
    if neutralize:
        neutralization.neutralize(target)
    if config.filestore(source).exists():
        shutil.copytree(config.filestore(source), config.filestore(target))


def rename(source: str, target: str) -> None:
    end_connections(source)
    with postgres.autocommit() as cursor:
        cursor.execute(f"ALTER DATABASE {identifier(source)} RENAME TO {identifier(target)}")
    if config.filestore(source).exists():
        shutil.move(config.filestore(source), config.filestore(target))


def drop(name: str) -> bool:
    if not exists(name):
        return False
    end_connections(name)
    with postgres.autocommit() as cursor:
        cursor.execute(f"DROP DATABASE {identifier(name)}")
    _logger.info("DROP DB: %s", name)
    shutil.rmtree(config.filestore(name), ignore_errors=True)
    return True


def dump(name: str, stream: IO[bytes], *, zipped: bool = True) -> None:
    """Odoo's formats: a zip of dump.sql, filestore and manifest.json, or `pg_dump -Fc`."""
    if not zipped:
        subprocess.run(["pg_dump", "--no-owner", "-Fc", name], stdout=stream, check=True, env=_environment())
        return
    with tempfile.TemporaryDirectory() as folder:
        sql, manifest = Path(folder) / "dump.sql", Path(folder) / "manifest.json"
        subprocess.run(["pg_dump", "--no-owner", f"--file={sql}", name], check=True, env=_environment())
        manifest.write_text(json.dumps(_manifest(name), indent=4))
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(sql, "dump.sql")
            archive.write(manifest, "manifest.json")
            store = config.filestore(name)
            for path in sorted(store.rglob("*")) if store.exists() else ():
                archive.write(path, Path("filestore") / path.relative_to(store))


def load(name: str, path: Path, *, force: bool = False, neutralize: bool = False) -> None:
    """Restore a dump of either format into a new database. Raises DatabaseExists."""
    if exists(name):
        if not force:
            raise DatabaseExists(f"Database {name!r} already exists")
        drop(name)
    create_empty(name)
    environment = _environment()
    with tempfile.TemporaryDirectory() as folder:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
            sql = str(Path(folder) / "dump.sql")
            subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", sql, name], check=True, env=environment)
            if (Path(folder) / "filestore").exists():
                config.filestore(name).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(Path(folder) / "filestore", config.filestore(name))
        else:
            subprocess.run(["pg_restore", "--no-owner", f"--dbname={name}", str(path)], check=True, env=environment)
    _renew_identity(name)
    if neutralize:
        neutralization.neutralize(name)


def by_rpc(method: str, arguments: list[Any]) -> Any:
    """The methods of the `db` service that change something, without dump and restore over the wire."""
    if method == "drop":
        return drop(arguments[0])
    if method == "rename":
        rename(arguments[0], arguments[1])
    elif method == "duplicate_database":
        duplicate(arguments[0], arguments[1])
    elif method == "create_database":
        create_empty(arguments[0])
    else:
        raise KeyError(method)
    return True


def _renew_identity(name: str) -> None:
    with Cursor(name) as cr:
        if postgres.table_exists(cr, "ir_config_parameter"):
            cr.execute(
                "UPDATE ir_config_parameter SET value = gen_random_uuid() "
                "WHERE key IN ('database.uuid', 'database.secret')"
            )


def _manifest(name: str) -> dict[str, Any]:
    with Cursor(name) as cr:
        cr.execute("SELECT name, latest_version FROM ir_module_module WHERE state = 'installed'")
        modules = dict(cr.fetchall())
        cr.execute("SHOW server_version")
        version = (cr.fetchone() or ("",))[0]
    return {
        "odoo_dump": "1",
        "db_name": name,
        "version": release.VERSION,
        "version_info": [release.MAJOR, 0, 0, "final", 0, ""],
        "major_version": release.SERIES,
        "pg_version": ".".join(version.split()[0].split(".")[:1]) + ".0",
        "modules": modules,
    }


def _environment() -> dict[str, str]:
    """libpq's variables for PostgreSQL's own programs."""
    names = {"PGHOST": "db_host", "PGPORT": "db_port", "PGUSER": "db_user", "PGPASSWORD": "db_password"}
    return {**os.environ, **{variable: str(config[key]) for variable, key in names.items() if config[key]}}
