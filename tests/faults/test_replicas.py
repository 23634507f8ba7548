"""Several web containers a pool, under load: deployed by the settings page, and one of them dies."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import docker
import pytest

from bench.resize import settings_page
from tests.faults.changes import PATHS, change_static_file
from tests.installation import STATIC_FILE, Installation
from tests.load import Load
from tests.portal import Portal
from tests.rows import BuildRow
from tests.users import Reader, Websockets, Writer

pytestmark = pytest.mark.faults

PATIENCE_S = 120.0
FEW = 0.05  # of the requests: what a container was working on, and who came to it while the other was at its limit
FORM = (
    "on_push, install, workers, strategy, probe_path, full_timeout_seconds, drain_seconds, keep_minutes, hold_seconds,"
    " long_updates"
)


@pytest.fixture
def engine() -> Iterator[Any]:
    with closing(docker.DockerClient(version="1.41").api) as client:
        yield client


@pytest.fixture
def two(installation: Installation) -> Iterator[BuildRow]:
    """Production with two web containers. Afterwards it has one again, and nothing is left over."""
    yield deploy(installation, replicas=2)
    assert deploy(installation, replicas=1).result == "success"
    assert installation.settled() == []


def deploy(installation: Installation, *, replicas: int) -> BuildRow:
    """Save the settings page with so many web containers, to be applied now; the build that came of it."""
    page, before = settings_page(installation), newest(installation)
    (form,) = installation.query(
        f"SELECT {FORM} FROM projects_branch WHERE id = %s", page.rstrip("/").rpartition("/")[2]
    )
    with Portal(installation) as portal:
        portal.page(f"{page}settings/")
        values = {name: str(value) for name, value in form.items()}
        portal.post(f"{page}settings/", **values | {"replicas": str(replicas), "now": "1"})
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        build = installation.build(newest(installation))
        if build.id != before and build.state == "done":
            return build
        time.sleep(0.5)
    raise TimeoutError(f"No build with {replicas} web containers ended.")


def newest(installation: Installation) -> int:
    (row,) = installation.query("SELECT max(id) AS id FROM builds_build")
    return int(row["id"])


def containers(installation: Installation, engine: Any) -> list[str]:
    """The web containers of production that run."""
    (pool,) = installation.query("SELECT * FROM hosting_pool WHERE state = 'live' AND cron_workers > 0")
    own = f"berth-{installation.values['BERTH_INSTALLATION']}-i{pool['instance_id']}-g{pool['generation']}-web"
    found = engine.containers(filters={"name": own, "status": "running"})
    return sorted(each["Names"][0].lstrip("/") for each in found)


def wait_for_two(installation: Installation, engine: Any) -> list[str]:
    deadline = time.monotonic() + PATIENCE_S
    while len(found := containers(installation, engine)) < 2 and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def requests_to(engine: Any, name: str, log: str) -> int:
    """How many requests the Odoo in a container has logged in a file of its own."""
    made = engine.exec_create(name, ["grep", "-c", "werkzeug", f"/var/log/odoo/{log}"], user="odoo")
    return int(bytes(engine.exec_start(made["Id"])).decode().strip() or 0)


def test_a_second_container_is_deployed_without_an_image_and_shares_the_visitors(
    installation: Installation, engine: Any
) -> None:
    """The load is there from the beginning, with people who write; nobody notices."""
    session = installation.sign_in()
    writers = [Writer(session) for _ in range(2)]
    with (
        Websockets(installation.demo()["production_url"]) as websockets,
        installation.load(PATHS, users=[Reader(session), *writers]) as load,
    ):
        websockets.wait()
        load.wait_for(20)
        build = deploy(installation, replicas=2)
        found = containers(installation, engine)
        generation = found[0].partition("-g")[2].partition("-")[0]
        load.wait_for(100)
        websockets.wait()
        shares = [
            requests_to(engine, found[0], f"odoo-g{generation}-serve.log"),
            requests_to(engine, found[-1], f"odoo-g{generation}-serve-2.log"),
        ]
        sha = change_static_file(installation)
        pushed = installation.wait_for_build(sha)
        load.wait_for(50)
        back = deploy(installation, replicas=1)
    writes = installation.writes(writers)
    assert (build.result, pushed.result, back.result) == ("success", "success", "success"), (build, pushed, back)
    assert "is used again" in build.steps["fetch"].output
    assert build.steps["build_image"].output.startswith("Nothing is built")
    assert len(found) == 2, found
    assert min(shares) > 20, shares
    assert installation.answer(f"/{STATIC_FILE}").commit == sha
    assert load.figures().failed == 0, load.figures()
    assert (writes.lost, writes.doubled) == (0, 0)
    assert installation.settled() == []


@pytest.fixture
def load(installation: Installation, two: BuildRow) -> Iterator[Load]:
    assert two.result == "success", two
    with installation.load(PATHS) as load:
        load.wait_for(50)
        yield load


def few_failed(load: Load) -> bool:
    """With one container of one, all would until it is back."""
    figures = load.figures()
    return figures.failed <= figures.requests * FEW


def test_visitors_go_on_where_one_odoo_is_killed(installation: Installation, engine: Any, load: Load) -> None:
    """What it was working on is lost with it; others are answered by the second one meanwhile. The engine starts it
    again at once.
    """
    first, _second = containers(installation, engine)
    pid = engine.inspect_container(first)["State"]["Pid"]
    engine.exec_start(engine.exec_create(first, ["python3", "-c", "import os; os.kill(-1, 9)"], user="odoo")["Id"])
    load.wait_for(200)
    found = wait_for_two(installation, engine)
    load.wait_for(50)
    assert few_failed(load), load.figures()
    assert first in found
    assert engine.inspect_container(first)["State"]["Pid"] != pid


def test_visitors_go_on_where_one_container_is_taken_away(installation: Installation, engine: Any, load: Load) -> None:
    """Its address is nobody's for as long as the reconciler takes."""
    _first, second = containers(installation, engine)
    engine.remove_container(second, force=True)
    load.wait_for(200)
    assert wait_for_two(installation, engine)[-1] == second
    load.wait_for(50)
    assert few_failed(load), load.figures()
