"""Odoo's warnings: which make a build yellow, and what is said of them."""

import pytest

from builds.complaints import SHOWN, complaints
from hosting.odoo.loglines import MAX_ENTRIES, read_run

MANIFEST = "odoo.modules.module: Missing `license` key in manifest for 'library', defaulting to LGPL-3 "


def told(*lines: str) -> list[str]:
    return complaints(read_run(f"2026-11-21 20:56:29,859 11 WARNING db {line}" for line in lines).warnings)


def test_what_odoo_warns_of_is_said() -> None:
    assert told(MANIFEST) == [f"Odoo warned: {MANIFEST.strip()}"]


def test_the_same_warning_is_said_once_with_its_number() -> None:
    assert told(MANIFEST, MANIFEST, MANIFEST) == [f"Odoo warned: {MANIFEST.strip()} (3 times)"]


def test_the_first_few_are_shown_and_the_rest_counted() -> None:
    lines = told(*(f"odoo.models: record {number}" for number in range(20)))
    assert lines[:2] == ["Odoo warned: odoo.models: record 0", "Odoo warned: odoo.models: record 1"]
    assert lines[SHOWN:] == [f"Odoo warned of {20 - SHOWN} more things: look for WARNING in the output above."]


def test_a_flood_is_cut_and_not_counted_to_its_end() -> None:
    lines = told(*(f"odoo.models: {number} {'x' * 3000}" for number in range(MAX_ENTRIES + 50)))
    assert max(map(len, lines)) < 400
    assert "at least" in lines[-1]


@pytest.mark.parametrize(
    "line",
    [
        "py.warnings: /usr/lib/python3/dist-packages/PyPDF2/_cmap.py:142: DeprecationWarning: unknown widths",
        "odoo.tools.config: unknown option 'longpolling_port' in the config file at /etc/odoo/odoo.conf",
        "odoo.modules.loading: invalid module names, ignored: nosuch",
        "odoo.schema: Table 'res_partner': unable to set NOT NULL on column 'shelf'",
        "odoo.tests.result: 0 failed, 0 error(s) of 0 tests when loading database 'db'",
    ],
)
def test_what_is_the_platforms_or_was_said_already_leaves_a_build_green(line: str) -> None:
    assert told(line) == []


def test_a_deprecation_in_the_repositorys_own_code_is_its_own() -> None:
    line = "py.warnings: /opt/berth/addons/0/library/models/book.py:3: DeprecationWarning: use fields.Date"
    assert told(line) == [f"Odoo warned: {line}"]
