"""What is only asked of the stand-in: that it says what it is, and is light."""

import time

import pytest

from images.build import ensure_stand_in
from portal.commands import run

from .serving import Server
from .stage import Stage


@pytest.fixture(autouse=True)
def _stand_in_only(is_stand_in: bool) -> None:
    if not is_stand_in:
        pytest.skip("a genuine Odoo image need not")


@pytest.mark.parametrize("path", ["/web/login", "/web/database/selector"])
def test_its_pages_say_what_it_is(server: Server, path: str) -> None:
    assert "Stand-in for Odoo, not Odoo" in server.get(path).text


def test_it_tells_what_serves(server: Server) -> None:
    answer = server.get("/mockodoo/info")
    assert server.database in answer.text
    assert "contract_book" in answer.text


def test_nothing_in_it_runs_as_somebody_else(stage: Stage) -> None:
    found = stage.program("sh", "-c", "find / -xdev -type f -perm /6000 2>/dev/null")
    assert found.output.strip() == ""


def test_two_workers_take_less_than_120_mb(server: Server) -> None:
    used = run(["docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", server.name], timeout=30).output
    number, unit, _ = used.partition("MiB")
    assert unit, used
    assert float(number) < 120


def test_it_is_not_made_twice() -> None:
    first = ensure_stand_in("18.0")
    started = time.monotonic()
    assert ensure_stand_in("odoo:18.0") == first
    assert time.monotonic() - started < 5
