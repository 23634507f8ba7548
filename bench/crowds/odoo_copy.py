"""A copy of production as people make it without Berth: `odoo db dump` into a zip, `odoo db load --neutralize` from it.

In a container of the image that serves production, with all the cores and no limits; the copy
goes to the same cluster, on which nothing waits for the disk, and is removed again.
"""

import contextlib
import ipaddress
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import psycopg
from cryptography.fernet import Fernet, MultiFernet
from psycopg import sql

from tests.installation import Installation

ODOO = 101
INSIDE = "/bench"
MAKER = "bench_copy"  # a role of lab that may make databases, as Odoo's own wants it
CONF = """\
[options]
db_host = {host}
db_port = {port}
db_user = {user}
db_password = {password}
data_dir = {data}
list_db = True
addons_path = {addons}
"""


class OdooFailed(Exception):
    """It ended badly, so its time means nothing."""


def seconds(installation: Installation) -> float:
    """From the beginning of the dump to the end of the restore. Raises OdooFailed."""
    folder = installation.home / "bench" / "odoo-copy"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "data").mkdir(parents=True)
    for path in (folder, folder / "data"):
        os.chown(path, ODOO, ODOO)
    try:
        with _maker(installation) as password:
            began = time.monotonic()
            _dump(installation, folder)
            _load(installation, folder, password)
            return time.monotonic() - began
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _dump(installation: Installation, folder: Path) -> None:
    (row,) = installation.query(
        "SELECT id, database_password FROM hosting_instance WHERE stage = 'production' AND state = 'ready'"
    )
    name = f"b{installation.values['BERTH_INSTALLATION']}_i{row['id']}"
    keys = MultiFernet([Fernet(key.strip()) for key in installation.values["BERTH_FERNET_KEYS"].split(",")])
    password = keys.decrypt(row["database_password"].encode()).decode()
    data = installation.home / "instances" / f"i{row['id']}" / "data"
    _conf(installation, folder, "prod", {"user": name, "password": password, "data": "/var/lib/odoo"})
    _odoo(installation, folder, "prod", ["dump", name, f"{INSIDE}/dump.zip"], {str(data): "/var/lib/odoo"})


def _load(installation: Installation, folder: Path, password: str) -> None:
    _conf(installation, folder, "lab", {"user": MAKER, "password": password, "data": f"{INSIDE}/data"})
    _odoo(installation, folder, "lab", ["load", "--neutralize", MAKER, f"{INSIDE}/dump.zip"], {})


def _conf(installation: Installation, folder: Path, network: str, values: Mapping[str, str]) -> None:
    halves = list(ipaddress.IPv4Network(installation.values["BERTH_SUBNET"]).subnets())
    host = str(halves[network == "lab"][1])
    port = installation.values[{"prod": "BERTH_PG_HOSTED_PORT", "lab": "BERTH_PG_LAB_PORT"}[network]]
    file = folder / f"{network}.conf"
    addons = ",".join(_serving(installation)["addons_path"])
    file.write_text(CONF.format(host=host, port=port, addons=addons, **values))
    os.chown(file, ODOO, ODOO)


def _serving(installation: Installation) -> dict[str, Any]:
    """The pool whose code serves production: its modules are in the database."""
    (pool,) = installation.query(
        "SELECT p.* FROM hosting_pool p JOIN hosting_instance i ON i.live_pool_id = p.id"
        " WHERE i.stage = 'production' AND i.state = 'ready'"
    )
    return pool


def _odoo(
    installation: Installation, folder: Path, network: str, arguments: list[str], mounts: Mapping[str, str]
) -> None:
    own = installation.values["BERTH_INSTALLATION"]
    bound: dict[str, Any] = {str(folder): {"bind": INSIDE, "mode": "rw"}}
    bound |= {source: {"bind": target, "mode": "rw"} for source, target in mounts.items()}
    with contextlib.closing(docker.DockerClient(version="1.41")) as client:
        container: Any = client.containers.create(
            _serving(installation)["image_id"],
            entrypoint=["odoo", "db", "-c", f"{INSIDE}/{network}.conf", *arguments],
            network=f"berth-{own}-{network}",
            volumes=bound,
            user="odoo",
        )
        try:
            container.start()
            status = container.wait(timeout=3600)["StatusCode"]
            if status:
                raise OdooFailed(f"odoo db {arguments[0]} ended with {status}: {container.logs(tail=30).decode()}")
        finally:
            container.remove(force=True, v=True)


@contextlib.contextmanager
def _maker(installation: Installation) -> Iterator[str]:
    """A role that may make databases in lab, and that goes with what it made. Yields its password."""
    password = secrets.token_hex(16)
    with psycopg.connect(installation.values["BERTH_LAB_URL"], autocommit=True) as lab:
        _remove(lab)
        lab.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(sql.Identifier(MAKER), password))
        lab.execute(sql.SQL("GRANT CONNECT ON DATABASE postgres TO {}").format(sql.Identifier(MAKER)))
        try:
            yield password
        finally:
            _remove(lab)


def _remove(lab: psycopg.Connection) -> None:
    lab.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(MAKER)))
    if lab.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [MAKER]).fetchone():
        lab.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(MAKER)))
        lab.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(MAKER)))
