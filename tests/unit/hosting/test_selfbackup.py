"""What is stored of the installation itself."""

import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection
from pytest_django import Settings

from hosting import selfbackup
from hosting.engines.postgres import dumps
from hosting.models import Host, Mail, Place, VaultCopy
from portal.commands import run
from projects.models import Stage
from tests import cast


@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="PostgreSQL's programs are not installed")
@pytest.mark.django_db(transaction=True)
def test_mails_that_were_caught_are_left_out_and_their_table_is_not(settings: Settings, tmp_path: Path) -> None:
    told = connection.settings_dict
    user, password, host = (quote(told[name] or "", safe="") for name in ("USER", "PASSWORD", "HOST"))
    settings.BERTH_DATABASE_URL = f"postgresql://{user}:{password}@{host}:{told['PORT'] or 5432}/{told['NAME']}"
    settings.BERTH_HOME = tmp_path
    (tmp_path / ".env").write_text("A=b\n")
    cast.mail(cast.instance(Stage.STAGING, "staging.localhost"), b"Subject: Large\r\n\r\nhunter22\r\n")
    copy = VaultCopy.objects.create(place=Place.objects.create(name="attic", address="/attic"))
    selfbackup._collect(copy, tmp_path, lambda: None)
    held = tmp_path / selfbackup.DATABASE
    listed = run(["pg_restore", "--list", str(held)], timeout=30).output
    assert f"TABLE public {Mail._meta.db_table} " in listed
    assert f"TABLE DATA public {Host._meta.db_table} " in listed
    assert f"TABLE DATA public {Mail._meta.db_table} " not in listed
    assert b"hunter22" not in held.read_bytes()
    assert b"staging.localhost" in held.read_bytes()


def test_all_rows_are_dumped_unless_something_else_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(dumps, "run", lambda argv, **_options: ran.append(argv))
    for left_out in ((), ("a", "b")):
        dumps.dump("postgresql:///x", tmp_path / "d", timeout=1, keep_going=lambda: None, without_rows_of=left_out)
    assert ran[1] == [*ran[0], "--exclude-table-data=a", "--exclude-table-data=b"]
