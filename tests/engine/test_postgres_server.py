import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from hosting.engines.postgres import (
    AccessDenied,
    DatabaseError,
    DatabaseInUse,
    DatabaseMissing,
    InvalidName,
    Server,
    ServerUnreachable,
    TookTooLong,
    gate,
)
from tests.engine.clusters import Cluster

pytestmark = pytest.mark.engine

PASSWORD = "it's \\ a secret"


@pytest.fixture
def server(postgres_cluster: Cluster) -> Iterator[Server]:
    made = Server(postgres_cluster.dsn)
    made.close_to_public()
    yield made
    for database in made.databases("t_"):
        made.drop_database(database)
    for role in made.roles("t_"):
        made.drop_role(role)


@pytest.fixture
def tenant(server: Server) -> str:
    server.create_role("t_alice", PASSWORD, connection_limit=5)
    server.create_database("t_alice", "t_alice")
    return "t_alice"


def enter(
    cluster: Cluster, user: str, database: str, *, password: str = PASSWORD
) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(
        host=cluster.host, port=cluster.port, user=user, password=password, dbname=database, autocommit=True
    )


def value(connection: "psycopg.Connection[tuple[object, ...]]", query: str) -> object:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_it_accepts_the_release_that_runs_here(server: Server) -> None:
    gate(server.version())


def test_a_tenant_can_use_its_own_database_with_odoos_extensions(postgres_cluster: Cluster, tenant: str) -> None:
    with enter(postgres_cluster, tenant, tenant) as inside:
        inside.execute("CREATE TABLE word (name text)")
        inside.execute("CREATE INDEX ON word USING gin (public.unaccent(name) public.gin_trgm_ops)")
        assert value(inside, "SELECT 'Ärger' ILIKE 'ärg%'") is True
        assert value(inside, "SHOW lc_collate") == "C"
        assert value(inside, "SHOW server_encoding") == "UTF8"


def test_a_tenant_enters_only_its_own_database_and_postgres(
    server: Server, postgres_cluster: Cluster, tenant: str
) -> None:
    server.create_role("t_bob", PASSWORD, connection_limit=5)
    server.create_database("t_bob", "t_bob")
    for database in (tenant, "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            enter(postgres_cluster, "t_bob", database)
    with enter(postgres_cluster, "t_bob", "postgres") as inside:
        inside.execute("LISTEN cron_trigger")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE DATABASE t_more",
        "CREATE ROLE t_more",
        "CREATE TABLE here (id int)",
        "CREATE TEMPORARY TABLE here (id int)",
        "ALTER ROLE t_alice SUPERUSER",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'id'",
    ],
)
def test_a_tenant_may_not(postgres_cluster: Cluster, tenant: str, statement: str) -> None:
    with enter(postgres_cluster, tenant, "postgres") as inside, pytest.raises(psycopg.errors.InsufficientPrivilege):
        inside.execute(statement.encode())


def test_a_tenant_may_not_create_an_untrusted_extension(postgres_cluster: Cluster, tenant: str) -> None:
    with enter(postgres_cluster, tenant, tenant) as inside, pytest.raises(psycopg.errors.InsufficientPrivilege):
        inside.execute("CREATE EXTENSION postgres_fdw")


def test_creating_a_role_again_sets_its_password(server: Server, postgres_cluster: Cluster, tenant: str) -> None:
    server.create_role(tenant, "another", connection_limit=5)
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        enter(postgres_cluster, tenant, tenant)
    enter(postgres_cluster, tenant, tenant, password="another").close()


def test_the_connection_limit_holds_and_can_be_changed(server: Server, postgres_cluster: Cluster, tenant: str) -> None:
    server.create_role(tenant, PASSWORD, connection_limit=1)
    with enter(postgres_cluster, tenant, tenant):
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            enter(postgres_cluster, tenant, tenant)
        server.set_limit(tenant, 2)
        enter(postgres_cluster, tenant, tenant).close()


def test_creating_a_database_again_keeps_what_is_in_it(server: Server, postgres_cluster: Cluster, tenant: str) -> None:
    with enter(postgres_cluster, tenant, tenant) as inside:
        inside.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    server.create_database(tenant, tenant)
    with enter(postgres_cluster, tenant, tenant) as inside:
        assert value(inside, "SELECT answer FROM kept") == 42


def test_a_half_made_database_is_closed_and_finished_later(server: Server, postgres_cluster: Cluster) -> None:
    server.create_role("t_half", PASSWORD, connection_limit=5)
    with psycopg.connect(postgres_cluster.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE t_half OWNER t_half TEMPLATE template0 CONNECTION LIMIT 0")
    with pytest.raises(psycopg.OperationalError, match="too many connections"):
        enter(postgres_cluster, "t_half", "t_half")
    server.create_database("t_half", "t_half")
    with enter(postgres_cluster, "t_half", "t_half") as inside:
        assert value(inside, "SELECT count(*) FROM pg_extension WHERE extname IN ('unaccent', 'pg_trgm')") == 2


def test_a_copy_belongs_to_its_new_owner_and_leaves_the_source_alone(
    server: Server, postgres_cluster: Cluster, tenant: str
) -> None:
    server.create_database("t_alice_other", tenant)
    with enter(postgres_cluster, tenant, tenant) as inside:
        inside.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        inside.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
    server.create_role("t_copy", PASSWORD, connection_limit=5)
    server.copy_database(tenant, "t_copy", "t_copy")
    with enter(postgres_cluster, "t_copy", "t_copy") as inside:
        inside.execute("UPDATE kept SET answer = 43")
        inside.execute("ALTER TABLE kept ADD COLUMN more int")
    for database in (tenant, "t_alice_other", "postgres"):
        enter(postgres_cluster, tenant, database).close()
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        enter(postgres_cluster, tenant, "t_copy")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        enter(postgres_cluster, "t_copy", tenant)
    with enter(postgres_cluster, tenant, tenant) as inside:
        assert value(inside, "SELECT answer FROM kept") == 42
        inside.execute("COMMENT ON DATABASE t_alice IS 'still its owner'")
    for database in (tenant, "t_alice_other"):
        server.drop_database(database)
    server.drop_role(tenant)
    assert server.roles("t_") == {"t_copy"}


def test_a_copy_succeeds_while_clients_keep_coming_back(server: Server, postgres_cluster: Cluster, tenant: str) -> None:
    over = threading.Event()

    def reconnect() -> None:
        while not over.is_set():
            try:
                with enter(postgres_cluster, tenant, tenant) as inside:
                    inside.execute("SELECT pg_sleep(0.05)")
            except psycopg.OperationalError:
                time.sleep(0.01)

    client = threading.Thread(target=reconnect)
    client.start()
    try:
        server.copy_database(tenant, "t_busy", tenant)
    finally:
        over.set()
        client.join()
    assert "t_busy" in server.databases("t_")


def test_many_copies_of_one_database_are_made_at_once(server: Server, postgres_cluster: Cluster, tenant: str) -> None:
    """As builds make theirs of one template, whose role may not log in any more."""
    with enter(postgres_cluster, tenant, tenant) as inside:
        inside.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    server.close_role(tenant)
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        enter(postgres_cluster, tenant, tenant)
    names = [f"t_copy{number}" for number in range(6)]
    for name in names:
        server.create_role(name, PASSWORD, connection_limit=5)
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: server.copy_database(tenant, name, name), names))
    for name in names:
        with enter(postgres_cluster, name, name) as inside:
            inside.execute("UPDATE kept SET answer = 43")
        server.drop_database(name)
        server.drop_role(name)


def test_a_copy_never_overwrites_a_database(server: Server, tenant: str) -> None:
    server.create_database("t_target", tenant)
    with pytest.raises(DatabaseInUse, match="left as it is"):
        server.copy_database(tenant, "t_target", tenant)


def test_a_copy_replaces_what_a_crash_left_of_an_earlier_one(
    server: Server, postgres_cluster: Cluster, tenant: str
) -> None:
    with psycopg.connect(postgres_cluster.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE t_target OWNER t_alice CONNECTION LIMIT 0")
    server.copy_database(tenant, "t_target", tenant)
    enter(postgres_cluster, tenant, "t_target").close()


def test_copying_nothing_says_so(server: Server) -> None:
    with pytest.raises(DatabaseMissing, match="no database t_nothing"):
        server.copy_database("t_nothing", "t_target", "t_alice")


def test_two_databases_change_names_in_one_moment_and_who_is_late_changes_nothing(
    server: Server, postgres_cluster: Cluster, tenant: str
) -> None:
    server.create_database("t_beside", tenant)
    with enter(postgres_cluster, tenant, "t_beside") as inside:
        inside.execute("CREATE TABLE beside ()")
        with enter(postgres_cluster, tenant, tenant):
            server.exchange_database(tenant, by="t_beside", keep="t_former")
    server.exchange_database(tenant, by="t_beside", keep="t_former")
    assert server.databases("t_") == {tenant, "t_former"}
    with enter(postgres_cluster, tenant, tenant) as inside:
        assert value(inside, "SELECT to_regclass('beside')") == "beside"
    server.create_database("t_beside", tenant)
    with pytest.raises(DatabaseError):  # `keep` is there: neither is renamed
        server.exchange_database(tenant, by="t_beside", keep="t_former")
    assert server.databases("t_") == {tenant, "t_former", "t_beside"}
    with enter(postgres_cluster, tenant, tenant) as inside:
        assert value(inside, "SELECT to_regclass('beside')") == "beside"


def test_what_is_gone_already_is_only_replaced(server: Server, tenant: str) -> None:
    server.exchange_database("t_production", by=tenant, keep="t_former")
    assert server.databases("t_") == {"t_production"}


def test_dropping_ends_connections_and_may_be_repeated(server: Server, postgres_cluster: Cluster, tenant: str) -> None:
    with enter(postgres_cluster, tenant, tenant):
        server.drop_database(tenant)
    server.drop_database(tenant)
    server.drop_role(tenant)
    server.drop_role(tenant)
    assert (server.databases("t_"), server.roles("t_")) == (set(), set())


def test_what_an_interrupted_drop_left_is_no_database_and_can_be_dropped(
    server: Server, postgres_cluster: Cluster, tenant: str
) -> None:
    """PostgreSQL marks it so before it waits for a checkpoint, in which it may be killed or run out of time."""
    with psycopg.connect(postgres_cluster.dsn, autocommit=True) as admin:
        admin.execute("UPDATE pg_database SET datconnlimit = -2 WHERE datname = %s", [tenant])
    assert not server.is_finished(tenant)
    server.drop_database(tenant)
    assert server.databases("t_") == set()


def test_a_copy_takes_the_place_of_what_an_interrupted_drop_left(
    server: Server, postgres_cluster: Cluster, tenant: str
) -> None:
    with psycopg.connect(postgres_cluster.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE t_target OWNER t_alice")
        admin.execute("UPDATE pg_database SET datconnlimit = -2 WHERE datname = 't_target'")
    server.copy_database(tenant, "t_target", tenant)
    enter(postgres_cluster, tenant, "t_target").close()


def test_a_role_with_a_database_is_not_dropped(server: Server, tenant: str) -> None:
    with pytest.raises(DatabaseInUse):
        server.drop_role(tenant)
    assert tenant in server.roles("t_")


def test_it_tells_who_is_connected(server: Server, postgres_cluster: Cluster, tenant: str) -> None:
    with enter(postgres_cluster, tenant, tenant), enter(postgres_cluster, tenant, tenant):
        assert server.clients(tenant) == {"127.0.0.1": 2}


def test_it_measures_a_database(server: Server, tenant: str) -> None:
    assert 1_000_000 < server.size(tenant) < 100_000_000


@pytest.mark.parametrize("name", ["", "Alice", "a-b", 'a"; DROP ROLE x; --', "a" * 64, "ä"])
def test_it_refuses_names_that_berth_does_not_make(server: Server, name: str) -> None:
    with pytest.raises(InvalidName):
        server.create_database(name, "t_alice")


def test_passwords_are_in_no_representation_of_a_server(postgres_cluster: Cluster) -> None:
    assert postgres_cluster.password not in repr(Server(postgres_cluster.dsn))


def test_a_wrong_password_is_told_apart_from_a_stopped_server(postgres_cluster: Cluster) -> None:
    with pytest.raises(AccessDenied, match="Check the password"):
        Server(postgres_cluster.dsn.replace(postgres_cluster.password, "wrong")).version()
    with pytest.raises(ServerUnreachable, match="can't be reached") as raised:
        Server(postgres_cluster.dsn.replace(str(postgres_cluster.port), "1")).version()
    assert raised.value.transient


def test_a_statement_that_waits_too_long_is_ended(postgres_cluster: Cluster, server: Server, tenant: str) -> None:
    impatient = Server(postgres_cluster.dsn, timeout=0.2)
    with psycopg.connect(postgres_cluster.dsn) as admin:
        admin.execute("ALTER ROLE t_alice CONNECTION LIMIT 9")
        with pytest.raises(TookTooLong):
            impatient.set_limit("t_alice", 3)
    assert issubclass(TookTooLong, DatabaseError)
