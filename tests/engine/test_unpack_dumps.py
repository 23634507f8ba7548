"""Foreign dumps against a real PostgreSQL, fed by the program that containers run: canaries outside are untouched.

Without a container around it, so that what is seen is psql's restricted mode and the role's few rights alone.
"""

import os
import secrets
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from hosting.engines.postgres import InstanceDatabase, Server
from hosting.inside import unpack
from portal.commands import run
from tests import zips
from tests.engine.clusters import Cluster

pytestmark = pytest.mark.engine
PASSWORD, TABLES = "secret of the tenant", "CREATE TABLE public.note (id int, said text);\n"
GOOD = f"""{zips.SQL}
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
COMMENT ON EXTENSION pg_trgm IS 'text similarity measurement';
SET transaction_timeout = 0;
{TABLES}
COPY public.note (id, said) FROM stdin;
1\tone
2\t\\\\! touch nothing
3\t\\restrict is a word that begins with a return
\\.

GRANT SELECT ON TABLE public.note TO somebody_elsewhere;
"""


@dataclass(frozen=True)
class Scene:
    server: Server
    cluster: Cluster
    folder: Path
    listener: socket.socket

    def unpack(self, sql: str | bytes) -> tuple[int, str]:
        """As the container does it, with an empty folder; exit code and output."""
        archive = zips.write(self.folder / "a.zip", sql)
        shutil.rmtree(self.folder / "files", ignore_errors=True)
        (self.folder / "files").mkdir()
        made = self.cluster
        environment = {"PGHOST": made.host, "PGPORT": str(made.port), "PGUSER": "t_import", "PGPASSWORD": PASSWORD}
        environment |= {"PGDATABASE": "t_import", "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        argv = [sys.executable, unpack.__file__, str(archive), str(self.folder / "files")]
        result = run(argv, timeout=60, env=environment, check=False)
        return result.exit_code, result.output

    def rows(self, statement: str, database: str = "t_import") -> list[tuple[object, ...]]:
        with psycopg.connect(self.cluster.dsn, dbname=database) as connection:
            return connection.execute(statement.encode()).fetchall()

    def outside(self) -> list[object]:
        """All that a dump must not change: others' rows, roles and their rights, databases, settings."""
        asked = (
            "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolconfig FROM pg_roles ORDER BY 1",
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolname <> 't_import' ORDER BY 1",
            "SELECT datname, pg_get_userbyid(datdba) FROM pg_database ORDER BY 1",
            "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members ORDER BY 1, 2",
        )
        found: list[object] = [self.rows(each, "postgres") for each in asked]
        return [*found, self.rows("SELECT * FROM canary", "t_neighbour"), sorted(self.folder.glob("canary*"))]


@pytest.fixture
def scene(postgres_cluster: Cluster, tmp_path: Path) -> Iterator[Scene]:
    server = Server(postgres_cluster.dsn)
    for name in ("t_import", "t_neighbour"):
        server.create_role(name, PASSWORD, connection_limit=5)
        server.create_database(name, name)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Scene(server, postgres_cluster, tmp_path, listener)
        with psycopg.connect(made.cluster.dsn, dbname="t_neighbour") as connection:
            connection.execute("CREATE TABLE canary AS SELECT 'alive' AS said")
        yield made
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()  # nobody ever came
    for name in ("t_import", "t_neighbour"):
        server.drop_database(name)
        server.drop_role(name)


def test_a_good_dump_is_restored_with_what_another_server_explains_passed_over(scene: Scene) -> None:
    before = scene.outside()
    assert scene.unpack(GOOD)[0] == 0, scene.unpack(GOOD)
    assert scene.rows("SELECT id, said FROM note ORDER BY id") == [
        (1, "one"), (2, "\\! touch nothing"), (3, "\restrict is a word that begins with a return"),
    ]  # fmt: skip
    assert scene.rows("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == [("t_import",)]
    assert scene.outside() == before
    assert (scene.folder / "files" / zips.NAME.removeprefix("filestore/")).read_bytes() == zips.CONTENT


def test_one_of_a_pg_dump_that_restricts_psql_itself_is_restored(scene: Scene) -> None:
    key = secrets.token_hex(30)
    restricted = GOOD.replace("--\n\nSET", f"--\n\n\\restrict {key}\n\nSET", 1) + f"\n\\unrestrict {key}\n\n"
    assert f"\\restrict {key}" in restricted
    assert scene.unpack(restricted) == (0, scene.unpack(GOOD.replace(TABLES, ""))[1])


HOSTILE = {
    "shell": "\\! touch {canary}",
    "copy_program": "\\copy note from program 'touch {canary}'",
    "copy_to_file": "\\copy note to '{canary}'",
    "output": "\\o {canary}\nSELECT 1;",
    "write": "SELECT 1 \\g {canary}",
    "pipe": "SELECT 1 \\g |touch {canary}",
    "include": "\\i /etc/passwd",
    "connect": "\\connect t_neighbour\nDROP TABLE canary;",
    "connect_as": "\\connect postgres berth_admin",
    "environment": "\\setenv PGPASSWORD x",
    "end_of_the_restriction": "\\unrestrict {key}\n\\! touch {canary}",
    "server_program": "COPY note FROM PROGRAM 'touch {canary}';",
    "server_file": "COPY note FROM '/etc/passwd';",
    "server_write": "COPY note TO '{canary}';",
    "read_file": "SELECT pg_read_file('/etc/passwd');",
    "large_object": "SELECT lo_import('/etc/passwd');",
    "extension": "CREATE EXTENSION file_fdw;",
    "foreign_server": "CREATE EXTENSION dblink;",
    "language": "CREATE FUNCTION f() RETURNS int AS 'system' LANGUAGE c;",
    "event_trigger": "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;\n"
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION e();",
    "superuser": "ALTER ROLE t_import SUPERUSER;",
    "create_role": "CREATE ROLE t_more LOGIN;",
    "another_role": "ALTER ROLE t_neighbour PASSWORD 'x';",
    "administrator": "ALTER ROLE berth_admin PASSWORD 'x';",
    "membership": "GRANT pg_execute_server_program TO t_import;",
    "as_another": "SET ROLE berth_admin;",
    "session": "SET SESSION AUTHORIZATION t_neighbour;",
    "create_database": "CREATE DATABASE t_more;",
    "another_database": "ALTER DATABASE t_neighbour OWNER TO t_import;",
    "drop_database": "DROP DATABASE t_neighbour;",
    "system_settings": "ALTER SYSTEM SET archive_command = 'touch {canary}';",
    "owner": "CREATE TABLE mine (id int);\nALTER TABLE mine OWNER TO t_neighbour;",
    "subscription": "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port={port}' PUBLICATION p;",
    "tablespace": "CREATE TABLESPACE t LOCATION '/tmp';",
    "library": "LOAD '/tmp/evil.so';",
    "encoding": "COPY public.note (id, said) FROM stdin;\n4\t{broken}\n\\.\n",
    "no_sql": "THIS IS NO SQL;",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_dump_is_refused_and_changes_nothing_outside(scene: Scene, name: str) -> None:
    before = scene.outside()
    port = scene.listener.getsockname()[1]
    said = HOSTILE[name].replace("{canary}", str(scene.folder / "canary")).replace("{port}", str(port))
    said = said.replace("{key}", secrets.token_hex(24))
    sql = f"{GOOD}\n{said}\n".encode().replace(b"{broken}", b"\xe4\xf6")
    code, output = scene.unpack(sql)
    assert code == 3, output
    assert "The dump can't be restored" in output
    assert scene.outside() == before


LASTING = {
    "settings": "ALTER DATABASE t_import SET search_path = evil;\nALTER ROLE t_import SET role = 't_import';",
    "template": "ALTER DATABASE t_import IS_TEMPLATE true;",
    "closed": "ALTER DATABASE t_import ALLOW_CONNECTIONS false;",
    "limit": "ALTER DATABASE t_import CONNECTION LIMIT 0;",
    "password": "ALTER ROLE t_import PASSWORD 'another';",
    "membership": "GRANT t_import TO t_neighbour;",
}


@pytest.mark.parametrize("name", LASTING)
def test_what_a_role_may_do_to_itself_is_set_back(scene: Scene, name: str) -> None:
    scene.unpack(f"{GOOD}\n{LASTING[name]}\n")
    scene.server.create_role("t_import", PASSWORD, connection_limit=5)
    scene.server.forget_settings("t_import", "t_import")
    database = InstanceDatabase(scene.cluster.host, scene.cluster.port, "t_import", "t_import", PASSWORD)
    assert database.module_states() == []
    asked = "SELECT datistemplate, datallowconn, datconnlimit FROM pg_database WHERE datname = 't_import'"
    assert scene.rows(asked, "postgres") == [(False, True, -1)]
    assert scene.rows("SELECT * FROM pg_db_role_setting", "postgres") == []


def test_a_database_is_handed_over_with_all_that_is_in_it(scene: Scene) -> None:
    """And what its former owner planted for others is owned by nobody else."""
    planted = "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO t_neighbour;\nGRANT ALL ON note TO t_neighbour;"
    scene.unpack(f"{GOOD}\n{planted}\nALTER DATABASE t_import SET work_mem = '1GB';\n")
    scene.server.create_role("t_production", PASSWORD, connection_limit=5)
    try:
        for _ in range(2):
            scene.server.hand_over_database("t_import", "t_production")
        scene.server.exchange_database("t_production", by="t_import", keep="t_former")
        owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
        assert scene.rows(owners, "t_production") == [("t_production",)]
        assert scene.rows("SELECT * FROM pg_db_role_setting", "postgres") == []
        asked = "SELECT has_database_privilege('t_import', 't_production', 'CONNECT')"
        assert scene.rows(asked, "postgres") == [(False,)]
        scene.server.drop_role("t_import")
    finally:
        scene.server.drop_database("t_production")
        scene.server.drop_role("t_production")
