from hosting.odoo.loglines import MAX_ENTRIES, MAX_LINES_OF_ENTRY, Entry, entries, parse_line, read_run

PREFIX = "2026-11-21 20:56:29,859 11"


def line(level: str, message: str, logger: str = "odoo.modules.loading") -> str:
    return f"{PREFIX} {level} d {logger}: {message} "


def test_a_line_is_taken_apart() -> None:
    assert parse_line(line("INFO", "loading 1 modules...")) == Entry(
        time="2026-11-21 20:56:29,859",
        pid=11,
        level="INFO",
        database="d",
        logger="odoo.modules.loading",
        message="loading 1 modules...",
    )


def test_a_line_of_no_database() -> None:
    entry = parse_line(f"{PREFIX} INFO ? odoo: Odoo version 18.0-20261101 ")
    assert entry is not None
    assert (entry.database, entry.logger, entry.message) == ("?", "odoo", "Odoo version 18.0-20261101")


def test_colours_are_taken_off() -> None:
    entry = parse_line(f"{PREFIX} \x1b[1;31m\x1b[1;49mERROR\x1b[0m d odoo.x: \x1b[1mbad\x1b[0m")
    assert entry is not None
    assert (entry.level, entry.message) == ("ERROR", "bad")


def test_other_lines_are_no_entries() -> None:
    for text in ("", "Traceback (most recent call last):", "  File x", "2026-11-21 nonsense", "\0\xff"):
        assert parse_line(text) is None


def test_a_traceback_belongs_to_the_line_before_it() -> None:
    log = ["lost", line("ERROR", "Failed"), "Traceback (most recent call last):", "ValueError: x", line("INFO", "next")]
    assert [(entry.message, entry.details) for entry in entries(log)] == [
        ("Failed", "Traceback (most recent call last):\nValueError: x"),
        ("next", ""),
    ]


def test_a_sound_run() -> None:
    report = read_run([line("INFO", "Modules loaded."), line("WARNING", "something old")])
    assert report.ok
    assert report.summary == ""
    assert [entry.message for entry in report.warnings] == ["something old"]


def test_errors_are_summed_up_by_the_last_line_of_their_traceback() -> None:
    log = [
        line("CRITICAL", "Failed to initialize database `d`."),
        "Traceback (most recent call last):",
        "KeyError: 'x'",
    ]
    report = read_run(log)
    assert not report.ok
    assert report.summary == "KeyError: 'x'"
    assert len(report.criticals) == 1


def test_unknown_modules_are_named() -> None:
    report = read_run([line("WARNING", "invalid module names, ignored: nosuch, other")])
    assert report.invalid_modules == ("nosuch", "other")
    assert not report.ok
    assert "nosuch, other" in report.summary


def test_an_empty_database_is_noticed() -> None:
    report = read_run([line("ERROR", "Database d not initialized, you can force it with `-i base`")])
    assert report.not_initialized
    assert not report.ok
    assert report.summary == "The database is empty: Odoo was never installed in it."


def test_modules_without_code_are_named() -> None:
    report = read_run(
        [
            line("ERROR", "Some modules are not loaded, some dependencies or manifest may be missing: ['one', 'two']"),
            line("ERROR", "Some modules have inconsistent states, some dependencies may be missing: ['two']"),
        ]
    )
    assert report.not_loaded == ("one", "two")
    assert not report.ok


def test_required_columns_that_stay_empty_are_named() -> None:
    text = "Table 'sale_order': unable to set NOT NULL on column 'kind'"
    assert read_run([line("INFO", text, "odoo.schema")]).ok
    report = read_run([line("WARNING", text, "odoo.schema")])
    assert report.not_null_failed == ("sale_order.kind",)
    assert not report.ok


def test_failing_tests_are_not_the_runs_errors() -> None:
    log = [
        line("ERROR", "FAIL: TestOne.test_sum", "odoo.addons.one.tests.test_one"),
        "AssertionError: 1 != 2",
        line("ERROR", "Module one: 1 failures, 0 errors of 5 tests"),
        line("ERROR", "1 failed, 0 error(s) of 5 tests when loading database 'd'", "odoo.tests.result"),
        line("ERROR", "At least one test failed when loading the modules."),
    ]
    assert read_run(log).ok


def test_what_is_kept_has_an_end() -> None:
    log = [line("ERROR", "again"), *["x" * 10_000] * 500] * 300
    report = read_run(log)
    assert len(report.errors) == MAX_ENTRIES
    assert len(report.errors[0].details.splitlines()) == MAX_LINES_OF_ENTRY
    assert len(report.errors[0].details) < 500_000
