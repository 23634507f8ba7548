"""docs/odoo-image.md, "Command line and exit codes": what ends with which, and what with 0 although it is wrong."""

import re

import pytest

from .stage import Stage

STOP = ("--without-demo=all", "--stop-after-init")


def test_it_takes_the_flags_that_the_platform_gives(stage: Stage, copy: str) -> None:
    flags = "--workers 0 --max-cron-threads 0 --http-port 8069 --gevent-port 8072 --proxy-mode --no-database-list"
    limits = "--limit-time-real 120 --limit-time-real-cron 200 --load base,web --no-http -D /var/lib/odoo"
    ended = stage.odoo("-d", copy, "--db-filter", "^x$", *flags.split(), *limits.split(), *STOP)
    assert ended.exit_code == 0, ended.output
    assert not ended.messages("ERROR")


def test_it_answers_its_version(stage: Stage) -> None:
    assert re.fullmatch(r"Odoo Server 1[6-9]\.0\S*", stage.program("odoo", "--version").output.strip())


def test_an_unknown_flag_ends_with_2(stage: Stage) -> None:
    assert stage.odoo("--no-such-flag", "--stop-after-init").exit_code == 2


def test_there_is_no_flag_to_neutralise(stage: Stage, copy: str) -> None:
    assert stage.odoo("-d", copy, "--neutralize", "--stop-after-init").exit_code == 2


@pytest.mark.parametrize("path", ["/no/such/folder", "/etc"], ids=["missing", "without addons"])
def test_an_unusable_addons_path_ends_with_2(stage: Stage, path: str) -> None:
    assert stage.odoo("--addons-path", path, "--stop-after-init").exit_code == 2


def test_a_wrong_password_ends_with_1(stage: Stage, copy: str) -> None:
    ended = stage.odoo("-d", copy, "--stop-after-init", password="wrong")
    assert ended.exit_code == 1
    assert "password authentication failed" in ended.output


def test_the_user_postgres_is_refused(stage: Stage, copy: str) -> None:
    ended = stage.odoo("-d", copy, "--stop-after-init", user="postgres")
    assert ended.exit_code == 1
    assert "security risk" in ended.output


def test_a_missing_database_ends_with_255(stage: Stage) -> None:
    ended = stage.odoo("-d", "no_such_database", "--stop-after-init")
    assert ended.exit_code == 255
    assert "Failed to initialize database `no_such_database`." in ended.messages("CRITICAL")[0]


def test_a_role_with_createdb_quietly_makes_a_mistyped_database(stage: Stage) -> None:
    ended = stage.odoo("-d", "mistyped", *STOP, user="maker")
    assert ended.exit_code == 0
    assert stage.value("mistyped", "SELECT state FROM ir_module_module WHERE name = 'base'") == "installed"


def test_an_empty_database_is_an_error_line_with_exit_code_0(stage: Stage) -> None:
    name = stage.create_database("empty")
    ended = stage.odoo("-d", name, "--stop-after-init")
    assert ended.exit_code == 0
    assert any("not initialized" in message for message in ended.messages("ERROR"))


def test_an_unknown_module_is_a_warning_with_exit_code_0(stage: Stage, copy: str) -> None:
    ended = stage.odoo("-d", copy, "-i", "no_such_module", *STOP)
    assert ended.exit_code == 0
    assert any("invalid module names, ignored: no_such_module" in message for message in ended.messages("WARNING"))


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("contract_broken_xml", "XMLSyntaxError"),
        ("contract_broken_view", "no_such_field"),
        ("contract_import_error", "No module named 'a_library_that_is_not_there'"),
        ("contract_syntax_error", "SyntaxError"),
        ("contract_missing_dependency", "no_such_module"),
    ],
)
def test_a_broken_module_ends_with_255_and_leaves_no_state(stage: Stage, copy: str, module: str, said: str) -> None:
    ended = stage.odoo("-d", copy, "-i", module, *STOP)
    assert ended.exit_code == 255, ended.output[-2000:]
    assert said in ended.output
    assert ended.messages("CRITICAL")
    assert stage.value(copy, f"SELECT state FROM ir_module_module WHERE name = '{module}'") == "uninstalled"
    assert stage.value(copy, "SELECT count(*) FROM ir_module_module WHERE state LIKE 'to %'") == 0


def test_an_update_of_a_module_whose_code_is_gone_leaves_it_to_upgrade(stage: Stage, copy: str) -> None:
    assert stage.odoo("-d", copy, "-i", "contract_gone", *STOP).exit_code == 0
    ended = stage.odoo("-d", copy, "-u", "contract_gone", *STOP, addons="addons_next")
    assert ended.exit_code == 0
    assert stage.value(copy, "SELECT state FROM ir_module_module WHERE name = 'contract_gone'") == "to upgrade"
    assert any("contract_gone" in message for message in ended.messages("ERROR"))


def test_a_column_that_cannot_become_required_is_no_failure(stage: Stage, copy: str) -> None:
    assert stage.odoo("-d", copy, "-i", "contract_required", *STOP).exit_code == 0
    stage.execute("INSERT INTO contract_shelf (name) VALUES (NULL)", copy)
    ended = stage.odoo("-d", copy, "-u", "contract_required", *STOP, addons="addons_next")
    assert ended.exit_code == 0
    said = [line for line in ended.lines if line.logger == "odoo.schema" and line.level in ("WARNING", "ERROR")]
    assert any("contract_shelf" in line.raw and "name" in line.raw for line in said), ended.output[-2000:]


def test_demo_data_comes_unless_told_not_to(stage: Stage, book_database: str, series: str) -> None:
    name = stage.create_database("with_demo")
    arguments = ["-i", "contract_book", *(("--with-demo",) if series == "19.0" else ())]
    assert stage.odoo("-d", name, *arguments, "--stop-after-init").exit_code == 0
    assert stage.value(name, "SELECT count(*) FROM contract_book") == 1
    assert stage.value(book_database, "SELECT count(*) FROM contract_book") == 0


def test_shell_reads_a_script_and_keeps_only_what_is_committed(stage: Stage, copy: str) -> None:
    create = "env['res.partner'].create({'name': '%s'})\n"
    stage.odoo("-d", copy, "--no-http", command=("shell",), stdin=create % "Lost")
    ended = stage.odoo(
        "-d", copy, "--no-http", command=("shell",), stdin=create % "Kept" + "env.cr.commit()\nprint('done')\n"
    )
    assert ended.exit_code == 0
    assert "done" in ended.output
    names = "SELECT array_agg(name) FROM res_partner WHERE name IN ('Lost', 'Kept')"
    assert stage.value(copy, names) == ["Kept"]
