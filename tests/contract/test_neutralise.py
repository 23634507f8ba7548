"""docs/odoo-image.md, "Neutralise" and "Command line": `odoo neutralize`, and `odoo db` where the series has it."""

import zipfile

import psycopg
import pytest

from .stage import Stage


def test_mail_and_scheduled_actions_are_switched_off(stage: Stage, copy: str) -> None:
    stage.execute(
        "INSERT INTO ir_mail_server (name, smtp_host, smtp_encryption, smtp_authentication, active) "
        "VALUES ('Out', 'smtp.example.com', 'none', 'login', true)",
        copy,
    )
    assert stage.odoo("-d", copy, command=("neutralize",)).exit_code == 0
    assert stage.value(copy, "SELECT active FROM ir_mail_server WHERE name = 'Out'") is False
    assert stage.value(copy, "SELECT count(*) FROM ir_mail_server WHERE active AND smtp_host = 'invalid'") == 1
    active = (
        "SELECT array_agg(d.name) FROM ir_cron c "
        "JOIN ir_model_data d ON d.model = 'ir.cron' AND d.res_id = c.id WHERE c.active"
    )
    assert stage.value(copy, active) == ["autovacuum_job"]
    flag = "SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized'"
    assert stage.value(copy, flag) == "true"


def test_it_is_not_idempotent(stage: Stage, copy: str) -> None:
    for _ in range(2):
        assert stage.odoo("-d", copy, command=("neutralize",)).exit_code == 0
    assert stage.value(copy, "SELECT count(*) FROM ir_mail_server WHERE smtp_host = 'invalid'") == 2


def test_it_prints_its_sql_and_changes_nothing(stage: Stage, copy: str) -> None:
    ended = stage.odoo("-d", copy, "--stdout", command=("neutralize",))
    assert ended.exit_code == 0
    assert "BEGIN;" in ended.output
    assert "ir_mail_server" in ended.output
    assert stage.value(copy, "SELECT count(*) FROM ir_cron WHERE active") > 1


@pytest.fixture
def has_db_command(series: str) -> None:
    if float(series) < 18:
        pytest.skip("`odoo db` came with 18.0")


@pytest.mark.usefixtures("has_db_command")
def test_a_dump_is_a_zip_of_sql_filestore_and_manifest(stage: Stage, copy: str) -> None:
    ended = stage.odoo("dump", copy, "/var/lib/odoo/dump.zip", command=("db",))
    assert ended.exit_code == 0, ended.output
    with zipfile.ZipFile(stage.folder / "data" / "dump.zip") as archive:
        names = archive.namelist()
        assert {"dump.sql", "manifest.json"} <= set(names)
        assert b'"odoo_dump": "1"' in archive.read("manifest.json")


@pytest.mark.usefixtures("has_db_command")
def test_a_dump_is_loaded_under_another_name_and_neutralised(stage: Stage, copy: str) -> None:
    assert stage.odoo("dump", copy, "/var/lib/odoo/again.zip", command=("db",)).exit_code == 0
    loaded = stage.odoo("load", "-n", f"{copy}_again", "/var/lib/odoo/again.zip", command=("db",), user="maker")
    assert loaded.exit_code == 0, loaded.output
    flag = "SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized'"
    assert stage.value(f"{copy}_again", flag) == "true"
    assert stage.value(copy, flag) is None


@pytest.mark.usefixtures("has_db_command")
def test_duplicating_ends_the_connections_of_the_source(stage: Stage, copy: str) -> None:
    with psycopg.connect(stage.dsn(copy, "odoo", "odoo"), autocommit=True) as connection:
        ended = stage.odoo("duplicate", copy, f"{copy}_twin", command=("db",), user="maker")
        assert ended.exit_code == 0, ended.output
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
