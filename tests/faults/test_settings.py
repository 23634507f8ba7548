"""Sizes and settings that can't work, on the real path: the database goes on serving as it did."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import docker
import pytest

from bench.resize import MIB, containers, processes, settings_page
from tests.faults.changes import change_static_file
from tests.installation import STATIC_FILE, Installation
from tests.portal import Portal

pytestmark = pytest.mark.faults

HELD_MB = 700
HUNGRY = f"""
import os, time
held = b"x" * ({HELD_MB} << 20)
open("/tmp/full", "w").write(str(os.getpid()))
time.sleep(120)
"""
PATIENCE_S = 30.0


@pytest.fixture
def engine() -> Iterator[Any]:
    with closing(docker.DockerClient(version="1.41").api) as client:
        yield client


def ask(installation: Installation, **size: str) -> str:
    """Ask for a size on production's page; returns the page once the story has ended."""
    page = settings_page(installation)
    with Portal(installation) as portal:
        portal.page(f"{page}settings/")
        portal.post(f"{page}resize/", **{"cpus": ""} | size)
        deadline = time.monotonic() + PATIENCE_S
        while "Changing it to" in (shown := portal.page(f"{page}settings/")) and time.monotonic() < deadline:
            time.sleep(0.2)
    return shown


def limits(engine: Any, names: list[str]) -> list[int]:
    """Memory of each container, in MB."""
    return [engine.inspect_container(name)["HostConfig"]["Memory"] // MIB for name in names]


def run(engine: Any, name: str, *argv: str) -> str:
    """Output of a command in the container, as the tenant's user."""
    output = engine.exec_start(engine.exec_create(name, list(argv), user="odoo")["Id"])
    return bytes(output).decode()


def answers(installation: Installation) -> bool:
    """Wait for production; whether it answers."""
    deadline = time.monotonic() + 2 * PATIENCE_S
    while (status := installation.answer("/web/login").status) != 200 and time.monotonic() < deadline:
        time.sleep(0.5)
    return status == 200


@contextmanager
def hungry(engine: Any, name: str) -> Iterator[None]:
    """A process in the container that holds HELD_MB."""
    engine.exec_start(engine.exec_create(name, ["python3", "-c", HUNGRY], user="odoo")["Id"], detach=True)
    deadline = time.monotonic() + PATIENCE_S
    while not (pid := run(engine, name, "cat", "/tmp/full")).isdecimal() and time.monotonic() < deadline:
        time.sleep(0.2)
    try:
        yield
    finally:
        run(engine, name, "python3", "-c", f"import os; os.remove('/tmp/full'); os.kill({pid}, 9)")


def test_less_than_is_used_is_refused_with_the_numbers(installation: Installation, engine: Any) -> None:
    names = containers(installation)
    before, were = limits(engine, names), processes(engine, names)
    with hungry(engine, names[0]):
        page = ask(installation, memory_mb="300", insist="on")
    assert "The size was not changed" in page
    assert "needs a margin: at least" in page
    assert f"not {300 + 256} MB" in page
    assert (limits(engine, names), processes(engine, names)) == (before, were)
    assert installation.answer("/web/login").status == 200


def test_more_than_the_host_has_is_refused_with_the_numbers(installation: Installation, engine: Any) -> None:
    names = containers(installation)
    before = limits(engine, names)
    page = ask(installation, memory_mb="9000000")
    assert "9,000,000 MB and" in page
    assert "The host has" in page
    assert limits(engine, names) == before


def test_a_new_size_is_there_after_a_restart_of_the_container(installation: Installation, engine: Any) -> None:
    names = containers(installation)
    ask(installation, memory_mb="2304")
    engine.restart(names[0], timeout=10)
    assert limits(engine, names) == [2304] * len(names)
    assert str(2304 * MIB) in run(engine, names[0], "grep", "limit_memory_hard", "/etc/odoo/odoo.conf")
    assert answers(installation)
    assert installation.settled() == []


def test_a_pool_that_does_not_answer_the_path_to_probe_gets_no_request(installation: Installation) -> None:
    page, before = settings_page(installation), installation.answer(f"/{STATIC_FILE}")
    branch = page.rstrip("/").rpartition("/")[2]
    change = "UPDATE projects_branch SET probe_path = %s, full_timeout_seconds = %s WHERE id = %s"
    installation.query(change, "/no/such/page", 30, branch)
    try:
        with installation.load([f"/{STATIC_FILE}"]) as load:
            build = installation.wait_for_build(change_static_file(installation))
    finally:
        installation.query(change, "/web/login", 180, branch)
    after = installation.answer(f"/{STATIC_FILE}")
    assert build.result == "failure", build
    assert "/no/such/page: answered 404" in build.error_detail
    assert (after.commit, after.text) == (before.commit, before.text)
    assert load.figures().failed == 0
    assert installation.settled() == []
