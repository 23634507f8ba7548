"""The live log of a database."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from django.test import Client
from pytest_django import Settings

from hosting.models import Instance
from projects.models import Stage
from tests import cast

LINE = "2026-11-21 20:56:29,859 11 {} db odoo: number {} <b>\n"


@pytest.fixture
def log(settings: Settings, tmp_path: Path, client: Client, people: SimpleNamespace) -> Path:
    """The log of the instance of branch `fix`, to be read by Dev."""
    settings.BERTH_HOME = tmp_path
    instance = cast.instance(Stage.DEVELOPMENT, "fix.localhost")
    branch = cast.branch(cast.project("demo", people), "fix", instance=instance)
    cast.build(branch)
    folder = tmp_path / "instances" / instance.name / "log"
    folder.mkdir(parents=True)
    client.force_login(people.dev)
    return folder / "odoo.log"


def read(client: Client, query: str = "", **headers: str) -> str:
    response = client.get(f"/demo/builds/1/logs/{query}", headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def test_it_shows_the_end_of_the_log_escaped(log: Path, client: Client) -> None:
    log.write_text("".join(LINE.format("INFO", number) for number in range(5_000)))

    found = read(client)

    assert "number 4999 &lt;b&gt;" in found
    assert "number 0 " not in found
    assert "Show earlier lines" in found


def test_it_reads_on_where_it_was(log: Path, client: Client) -> None:
    log.write_text(LINE.format("INFO", 1))
    size = log.stat().st_size
    log.write_text(LINE.format("INFO", 1) + LINE.format("INFO", 2))

    found = read(client, f"?after={size}")

    assert "number 2" in found
    assert "number 1" not in found
    assert "<html" not in found


def test_a_place_of_too_many_digits_is_none(log: Path, client: Client) -> None:
    log.write_text(LINE.format("INFO", 1))

    assert "number 1" in read(client, f"?after={'9' * 5000}")


def test_it_filters(log: Path, client: Client) -> None:
    log.write_text(LINE.format("INFO", 1) + LINE.format("ERROR", 2) + LINE.format("ERROR", 3))

    found = read(client, "?level=ERROR&q=number+3", **{"HX-Request": "true", "HX-Target": "log"})

    assert "number 3" in found
    assert "number 2" not in found
    assert "number 1" not in found


def test_before_anything_was_logged_it_says_so(log: Path, client: Client) -> None:
    assert "Nothing was logged yet" in read(client)


def test_it_shows_what_serves_before_the_scheduled_actions(log: Path, client: Client) -> None:
    (log.parent / "odoo-g7-web.log").write_text(LINE.format("INFO", 1))
    (log.parent / "odoo-g7-cron.log").write_text(LINE.format("INFO", 2))

    assert "number 1" in read(client)
    assert "number 2" in read(client, "?file=odoo-g7-cron.log")


def test_it_can_be_downloaded(log: Path, client: Client) -> None:
    log.write_text("plain")

    response = client.get("/demo/builds/1/logs/?file=odoo.log&download")

    assert response.getvalue() == b"plain"
    assert response["Content-Disposition"] == 'attachment; filename="odoo.log"'


@pytest.mark.parametrize("query", ["", "&download", "&after=0", "&before=100"])
def test_a_link_to_the_machine_is_not_followed(query: str, log: Path, client: Client) -> None:
    (log.parent / "odoo-real.log").write_text("real")
    log.symlink_to("/etc/passwd")

    assert client.get(f"/demo/builds/1/logs/?file=odoo.log{query}").status_code == 404
    assert client.get(f"/demo/builds/1/logs/?file=../log/odoo-real.log{query}").status_code == 404


def test_a_build_without_a_database_has_no_log(client: Client, people: SimpleNamespace) -> None:
    cast.build(cast.branch(cast.project("demo", people), "fix"))
    client.force_login(people.dev)

    assert "Nothing was logged yet" in read(client)
    assert Instance.objects.count() == 0
