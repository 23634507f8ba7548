"""What a copy must not keep switched on (hosting/odoo/outside.py), in a database that has all of it."""

from collections.abc import Iterator

import psycopg
import pytest

from hosting.engines.postgres import DatabaseError, InstanceDatabase, Server, Switch
from hosting.engines.postgres.switches import by_table
from hosting.odoo import outside
from tests.engine.clusters import Cluster

pytestmark = pytest.mark.engine

PASSWORD = "secret of the tenant"
COLUMNS = by_table((switch.table, column) for switch in outside.ALL for column in ("id", *switch.needs))
TESTING = ("_test_env", "_test_mode")  # these are on where they are false
STATES = {"mail_mail": "outgoing", "sms_sms": "outgoing", "snailmail_letter": "pending", "mailing_mailing": "sending"}
STATES |= {"marketing_campaign": "running", "whatsapp_message": "outgoing", "social_post": "scheduled"}
STATES |= {"payment_provider": "enabled", "ir_act_server": "webhook"}
VALUES = {"edi_mode": "prod", "key": "ebay_prod_token", "smtp_host": "smtp.example.com"}


@pytest.fixture
def server(postgres_cluster: Cluster) -> Iterator[Server]:
    made = Server(postgres_cluster.dsn)
    made.create_role("t_tenant", PASSWORD, connection_limit=5)
    made.create_database("t_tenant", "t_tenant")
    yield made
    made.drop_database("t_tenant")
    made.drop_role("t_tenant")


@pytest.fixture
def database(server: Server, postgres_cluster: Cluster) -> InstanceDatabase:
    return InstanceDatabase(postgres_cluster.host, postgres_cluster.port, "t_tenant", "t_tenant", PASSWORD)


def run(database: InstanceDatabase, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(
        host=database.host, port=database.port, user=database.user, password=database.password, dbname=database.name
    ) as inside:
        cursor = inside.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def kind(column: str) -> str:
    if column == "id":
        return "int"
    booleans = ("active", "enabled", "prod_environment", "auto_sync", "cdn_activated")
    return "boolean" if column in booleans or column.endswith(("_env", "_test_mode")) else "text"


def value(table: str, column: str) -> str:
    """With which it is on."""
    if column == "id":
        return "7"
    if kind(column) == "boolean":
        return str(not column.endswith(TESTING))
    return f"'{STATES.get(table, 'on') if column == 'state' else VALUES.get(column, 'production-secret')}'"


@pytest.fixture
def everything(database: InstanceDatabase) -> InstanceDatabase:
    """One row in each table, all of it on; and Odoo's clean-up, which may go on."""
    for table, columns in COLUMNS.items():
        named = sorted(columns)
        run(database, f"CREATE TABLE {table} ({', '.join(f'{each} {kind(each)}' for each in named)})")
        run(database, f"INSERT INTO {table} ({', '.join(named)}) VALUES ({', '.join(value(table, e) for e in named)})")
    run(database, "CREATE TABLE ir_model_data (model text, module text, name text, res_id int)")
    run(database, "INSERT INTO ir_model_data VALUES ('ir.cron', 'base', 'autovacuum_job', 8)")
    run(database, "INSERT INTO ir_cron (id, active) VALUES (8, true)")
    return database


def test_everything_is_found_switched_off_and_not_found_again(everything: InstanceDatabase) -> None:
    found = everything.switched_on(outside.ALL, timeout=10)
    assert {switch.what for switch in outside.ALL} - set(found) == {"Cloud storage"}  # the one key is a marketplace's
    assert found["Scheduled actions"] == 1
    assert everything.switch_all_off(outside.ALL, timeout=10) == {}
    assert everything.switched_on(outside.ALL, timeout=10) == {}
    assert everything.switch_all_off(outside.ALL, timeout=10) == {}
    assert run(everything, "SELECT id, active FROM ir_cron ORDER BY id") == [(7, False), (8, True)]
    assert run(everything, "SELECT account_token FROM iap_account") == [("production-secret+disabled",)]
    assert run(everything, "SELECT robots_txt FROM website") == [("User-agent: *\nDisallow: /",)]


def test_what_a_database_lacks_is_passed_over(database: InstanceDatabase) -> None:
    run(database, "CREATE TABLE ir_mail_server (id int, smtp_host text)")
    run(database, "CREATE VIEW fetchmail_server AS SELECT 1 AS id, true AS active")
    assert database.switch_all_off(outside.ALL, timeout=10) == {}


def test_what_a_trigger_switches_on_again_is_said(everything: InstanceDatabase) -> None:
    run(
        everything,
        "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.active = true; RETURN NEW; END';"
        " CREATE TRIGGER again BEFORE UPDATE ON ir_cron FOR EACH ROW EXECUTE FUNCTION again()",
    )
    assert everything.switch_all_off(outside.ALL, timeout=10) == {"Scheduled actions": 1}


def test_all_of_it_or_nothing(everything: InstanceDatabase) -> None:
    wrong = Switch("Nonsense", "website", "t.domain = 'x'", "domain = nonsense()", ("domain",))
    with pytest.raises(DatabaseError):
        everything.switch_all_off([*outside.ALL, wrong], timeout=10)
    assert everything.switched_on(outside.ALL, timeout=10)["Scheduled actions"] == 1
