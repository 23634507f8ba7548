"""docs/odoo-image.md, "PostgreSQL": tables and columns that the platform reads."""

import re

import pytest

from .stage import Stage

READ = {
    "ir_module_module": {"name", "state", "latest_version"},
    "ir_config_parameter": {"key", "value"},
    "ir_cron": {"cron_name", "active", "nextcall", "lastcall", "interval_number", "interval_type", "user_id"},
    "ir_mail_server": {"name", "active", "smtp_host", "smtp_port", "smtp_user", "smtp_pass", "smtp_encryption"},
    "ir_attachment": {"name", "store_fname", "checksum", "file_size", "type", "url"},
    "ir_logging": {"name", "type", "dbname", "level", "message", "path", "func", "line", "create_date"},
    "ir_model_data": {"module", "name", "model", "res_id"},
    "res_users": {"login", "password", "active", "partner_id", "company_id"},
    "res_partner": {"name", "email", "active"},
    "res_company": {"name", "partner_id"},
}


def columns(stage: Stage, database: str, table: str) -> set[str]:
    query = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"
    return {row[0] for row in stage.execute(query, database)}


@pytest.mark.parametrize("table", sorted(READ))
def test_a_table_has_the_columns_that_are_read(stage: Stage, book_database: str, table: str) -> None:
    assert READ[table] <= columns(stage, book_database, table)


def test_scheduled_actions_count_as_their_series_does(stage: Stage, book_database: str, series: str) -> None:
    found = columns(stage, book_database, "ir_cron")
    failures, calls = {"failure_count", "first_failure_date"}, {"numbercall", "doall"}
    assert failures <= found if float(series) >= 18 else not failures & found
    assert calls <= found if float(series) < 18 else not calls & found


def test_the_installed_version_has_the_series_in_front(stage: Stage, book_database: str, series: str) -> None:
    query = "SELECT latest_version FROM ir_module_module WHERE name = 'contract_book'"
    assert stage.value(book_database, query) == f"{series}.1.2"


def test_modules_on_the_path_have_rows_and_states(stage: Stage, book_database: str) -> None:
    states = dict(stage.execute("SELECT name, state FROM ir_module_module", book_database))
    assert {states[name] for name in ("base", "web", "bus", "contract_book")} == {"installed"}
    assert states["contract_shelf"] == "uninstalled"


def test_a_database_has_an_identity_of_its_own(stage: Stage, book_database: str) -> None:
    parameters = dict(stage.execute("SELECT key, value FROM ir_config_parameter", book_database))
    for key in ("database.uuid", "database.secret"):
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", parameters[key])
    assert "web.base.url" in parameters
    assert "database.is_neutralized" not in parameters


def test_the_administrator_can_be_told_from_the_system(stage: Stage, book_database: str) -> None:
    users = stage.execute("SELECT id, login, active FROM res_users WHERE id IN (1, 2) ORDER BY id", book_database)
    assert users == [(1, "__system__", False), (2, "admin", True)]
    password = stage.value(book_database, "SELECT password FROM res_users WHERE id = 2")
    assert password.startswith("$pbkdf2-sha512$")


def test_an_update_runs_migrations_and_raises_the_version(stage: Stage, copy: str, series: str) -> None:
    stage.execute("INSERT INTO contract_book (name) VALUES ('Old')", copy)
    ended = stage.odoo("-d", copy, "-u", "contract_book", "--stop-after-init", addons="addons_next")
    assert ended.exit_code == 0, ended.output[-3000:]
    assert stage.value(copy, "SELECT name FROM contract_book") == f"Old before after {series}.1.2 end"
    version = "SELECT latest_version FROM ir_module_module WHERE name = 'contract_book'"
    assert stage.value(copy, version) == f"{series}.1.3"
