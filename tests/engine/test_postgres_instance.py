from collections.abc import Iterator

import psycopg
import pytest

from hosting.engines.postgres import AccessDenied, DatabaseError, InstanceDatabase, ModuleState, Server, TookTooLong
from tests.engine.clusters import Cluster

pytestmark = pytest.mark.engine

PASSWORD = "secret of the tenant"
TABLES = """
CREATE TABLE ir_module_module (id serial, name varchar, state varchar, latest_version varchar);
CREATE TABLE ir_config_parameter (id serial, key varchar UNIQUE NOT NULL, value text,
    create_uid int, write_uid int, create_date timestamp, write_date timestamp);
"""


@pytest.fixture
def server(postgres_cluster: Cluster) -> Iterator[Server]:
    made = Server(postgres_cluster.dsn)
    yield made
    made.drop_database("t_tenant")
    made.drop_role("t_tenant")


@pytest.fixture
def empty(server: Server, postgres_cluster: Cluster) -> InstanceDatabase:
    server.create_role("t_tenant", PASSWORD, connection_limit=5)
    server.create_database("t_tenant", "t_tenant")
    return InstanceDatabase(postgres_cluster.host, postgres_cluster.port, "t_tenant", "t_tenant", PASSWORD, timeout=1)


def by_tenant(database: InstanceDatabase, statements: str) -> None:
    with psycopg.connect(
        host=database.host, port=database.port, user=database.user, password=database.password, dbname=database.name
    ) as inside:
        inside.execute(statements.encode())


@pytest.fixture
def odoo(empty: InstanceDatabase) -> InstanceDatabase:
    by_tenant(
        empty,
        TABLES + "INSERT INTO ir_module_module (name, state, latest_version) VALUES"
        " ('base', 'installed', '18.0.1.3'), ('sale', 'uninstalled', NULL), ('stock', 'to upgrade', '18.0.1.1')",
    )
    return empty


def test_mails_are_led_to_the_catcher_where_odoo_lets_them_fail(odoo: InstanceDatabase) -> None:
    by_tenant(
        odoo,
        "CREATE TABLE ir_mail_server (name varchar, smtp_host varchar, smtp_port int, active bool);"
        "INSERT INTO ir_mail_server VALUES ('Out', 'smtp.example.com', 587, false), ('dummy', 'invalid', 1025, true)",
    )
    for _twice in range(2):
        odoo.lead_mails_to("10.1.128.1", 1025)
    with psycopg.connect(
        host=odoo.host, port=odoo.port, user=odoo.user, password=odoo.password, dbname=odoo.name
    ) as inside:
        found = inside.execute("SELECT smtp_host, smtp_port, active FROM ir_mail_server ORDER BY active").fetchall()
    assert found == [("smtp.example.com", 587, False), ("10.1.128.1", 1025, True)]


def test_a_moment_shows_the_same_rows_to_all_that_name_it_while_others_write(odoo: InstanceDatabase) -> None:
    by_tenant(odoo, "CREATE SCHEMA own; CREATE TABLE own.note (id int); INSERT INTO own.note VALUES (1), (2)")
    with odoo.frozen(timeout=30) as moment:
        by_tenant(odoo, "INSERT INTO own.note VALUES (3); CREATE TABLE later (id int)")
        counted = moment.count_rows()
        with psycopg.connect(
            host=odoo.host, port=odoo.port, user=odoo.user, password=odoo.password, dbname=odoo.name
        ) as other:
            other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            other.execute(f"SET TRANSACTION SNAPSHOT '{moment.snapshot}'".encode())
            assert other.execute("SELECT count(*) FROM own.note").fetchone() == (2,)
    assert counted == {"own.note": 2, "public.ir_config_parameter": 0, "public.ir_module_module": 3}
    with odoo.frozen(timeout=30) as moment:
        assert moment.count_rows()["own.note"] == 3


def test_a_moment_knows_the_files_that_attachments_name(odoo: InstanceDatabase) -> None:
    by_tenant(odoo, "CREATE TABLE ir_attachment (id serial, store_fname varchar)")
    by_tenant(odoo, "INSERT INTO ir_attachment (store_fname) VALUES ('ab/one'), ('ab/one'), (NULL), (''), ('cd/two')")
    with odoo.frozen(timeout=30) as moment:
        assert moment.attached_files() == {"ab/one", "cd/two"}


def test_a_moment_can_be_ended_by_who_needs_the_database(odoo: InstanceDatabase, server: Server) -> None:
    def count() -> None:
        with odoo.frozen(timeout=30) as moment:
            server.copy_database("t_tenant", "t_aside", "t_tenant")
            moment.count_rows()

    try:
        with pytest.raises(DatabaseError):
            count()
        assert server.is_finished("t_aside")
    finally:
        server.drop_database("t_aside")


def test_an_empty_database_has_no_odoo(empty: InstanceDatabase) -> None:
    assert (empty.module_states(), empty.modules_left_over(), empty.parameter("database.uuid")) == ([], [], None)


def test_it_reads_modules_and_those_left_over(odoo: InstanceDatabase) -> None:
    assert odoo.module_states() == [
        ModuleState("base", "installed", "18.0.1.3"),
        ModuleState("sale", "uninstalled", ""),
        ModuleState("stock", "to upgrade", "18.0.1.1"),
    ]
    assert odoo.modules_left_over() == [ModuleState("stock", "to upgrade", "18.0.1.1")]


def test_it_adds_and_changes_parameters(odoo: InstanceDatabase) -> None:
    odoo.set_parameter("web.base.url", "http://one")
    assert odoo.parameter("web.base.url") == "http://one"
    odoo.set_parameter("web.base.url", "http://it's two")
    assert odoo.parameter("web.base.url") == "http://it's two"


def test_it_cancels_jobs_that_did_not_end(odoo: InstanceDatabase) -> None:
    assert odoo.cancel_jobs() == 0
    states = ("wait_dependencies", "pending", "enqueued", "started", "done", "failed")
    values = ", ".join(f"('{state}')" for state in states)
    by_tenant(odoo, f"CREATE TABLE queue_job (id serial, state varchar); INSERT INTO queue_job (state) VALUES {values}")
    assert (odoo.cancel_jobs(), odoo.cancel_jobs()) == (4, 0)


def test_jobs_that_did_not_end_are_parked_and_let_run_again(odoo: InstanceDatabase) -> None:
    assert odoo.park_jobs() == 0
    odoo.resume_jobs()
    states = ("wait_dependencies", "pending", "enqueued", "started", "done", "failed", "cancelled")
    values = ", ".join(f"('{state}', NULL)" for state in states)
    by_tenant(odoo, "CREATE TABLE queue_job (id serial, state varchar, exc_info text)")
    by_tenant(odoo, f"INSERT INTO queue_job (state, exc_info) VALUES {values}")
    assert (odoo.park_jobs(), odoo.park_jobs()) == (4, 4)
    assert jobs(odoo) == ["cancelled"] * 4 + ["done", "failed", "cancelled"]
    odoo.resume_jobs()
    odoo.resume_jobs()  # told again: whoever did it died before that was written down
    assert jobs(odoo) == ["wait_dependencies", *["pending"] * 3, "done", "failed", "cancelled"]


def jobs(odoo: InstanceDatabase) -> list[str]:
    with psycopg.connect(
        host=odoo.host, port=odoo.port, user=odoo.user, password=odoo.password, dbname=odoo.name
    ) as inside:
        return [str(state) for (state,) in inside.execute("SELECT state FROM queue_job ORDER BY id")]


def test_a_table_of_that_name_that_holds_no_jobs_is_let_be(odoo: InstanceDatabase) -> None:
    by_tenant(odoo, "CREATE TABLE queue_job (id serial)")
    assert (odoo.cancel_jobs(), odoo.park_jobs()) == (0, 0)


def test_setting_a_parameter_where_no_odoo_is_fails(empty: InstanceDatabase) -> None:
    with pytest.raises(DatabaseError, match="no Odoo"):
        empty.set_parameter("web.base.url", "http://one")


def test_a_planted_view_does_not_run_with_more_rights(empty: InstanceDatabase) -> None:
    by_tenant(
        empty,
        "CREATE VIEW ir_module_module AS"
        " SELECT 'base' AS name, pg_read_file('/etc/passwd') AS state, current_user::text AS latest_version",
    )
    with pytest.raises(AccessDenied):
        empty.module_states()


def test_what_a_tenant_planted_can_neither_flood_nor_stall(empty: InstanceDatabase) -> None:
    by_tenant(
        empty,
        "CREATE VIEW ir_module_module AS SELECT repeat('x', 1000000) AS name, 'to lie' AS state, 1 AS latest_version"
        " FROM generate_series(1, 30000)",
    )
    patient = InstanceDatabase(empty.host, empty.port, empty.name, empty.user, empty.password, timeout=60)
    modules = patient.module_states()
    assert len(modules) == 20_000
    assert max(len(module.name) for module in modules) == 200
    by_tenant(
        empty,
        "CREATE OR REPLACE VIEW ir_module_module AS"
        " SELECT 'x' AS name, pg_sleep(30)::text AS state, 1 AS latest_version",
    )
    with pytest.raises(TookTooLong):
        empty.module_states()


def test_functions_in_the_tenants_schema_do_not_replace_postgres_own(odoo: InstanceDatabase) -> None:
    by_tenant(
        odoo,
        "CREATE FUNCTION public.left(text, int) RETURNS text LANGUAGE sql AS $$ SELECT 'planted' $$;"
        "ALTER ROLE t_tenant SET search_path = public, pg_catalog;"
        "ALTER DATABASE t_tenant SET search_path = public, pg_catalog",
    )
    assert odoo.module_states()[0].name == "base"


def test_a_wrong_password_is_refused_and_shown_nowhere(odoo: InstanceDatabase) -> None:
    wrong = InstanceDatabase(odoo.host, odoo.port, odoo.name, odoo.user, "wrong one")
    with pytest.raises(AccessDenied) as raised:
        wrong.module_states()
    assert "wrong one" not in f"{raised.value} {wrong!r}"
