"""Pools that must not get traffic, or only late: each is pushed to production, which serves on all the time."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import docker
import pytest
from docker.errors import NotFound
from docker.models.containers import Container

from tests.faults.changes import LIBRARY, PATHS, change_static_file
from tests.holding import Moment, hold
from tests.installation import STATIC_FILE, Installation
from tests.load import Load
from tests.portal import Portal
from tests.rows import BuildRow

pytestmark = pytest.mark.faults

CODE = "berth_hello/__init__.py"
SERVING = 'import sys\nSERVING = "--stop-after-init" not in sys.argv\n'

SLOW = SERVING + "import time\nif SERVING:\n    time.sleep(40)\n"
CRASHES = SERVING + "import os, time\nif SERVING:\n    time.sleep(20)\n    os._exit(3)\n"
NO_WEBSOCKET = SERVING + "import socket\nif SERVING:\n    taken = socket.socket()\n    taken.bind(('0.0.0.0', 8072))\n"
LOGIN_500 = """from odoo import http


class Login(http.Controller):
    @http.route("/web/login", type="http", auth="none")
    def web_login(self, *_arguments, **_named):
        raise RuntimeError("no login today")
"""
OUT_OF_MEMORY = """
import sys
if any(word.startswith(("-i", "--init")) for word in sys.argv):
    kept = [bytearray(b"x") * (256 * 1024 * 1024) for _ in range(64)]
"""


def push_code(installation: Installation, code: str | None) -> str:
    return installation.push({CODE: code, STATIC_FILE: f"{hash(code)}\n"}, "Change what is loaded")


@pytest.fixture
def load(installation: Installation) -> Iterator[Load]:
    """Visitors of what doesn't change."""
    with installation.load(PATHS) as load:
        load.wait_for(20)
        yield load


@pytest.fixture
def mended(installation: Installation) -> Iterator[None]:
    """Afterwards production gets good code again, and nothing is left over."""
    good = installation.files([CODE, LIBRARY])
    yield
    again = installation.wait_for_build(installation.push({**good, STATIC_FILE: "good\n"}, "Mend it"))
    assert again.result == "success", again
    assert installation.settled() == []


def went_on(installation: Installation, load: Load, before: str) -> None:
    load.wait_for(20)
    assert installation.answer(f"/{STATIC_FILE}").commit == before
    assert load.figures().failed == 0, load.figures()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (CRASHES, "ended while Odoo was starting"),
        (NO_WEBSOCKET, "websocket port"),
        (LOGIN_500, "login page: answered 500"),
    ],
    ids=["crashes_after_20_s", "never_opens_8072", "answers_500_on_login"],
)
def test_a_pool_that_is_not_well_gets_no_traffic(
    installation: Installation, load: Load, mended: None, code: str, says: str
) -> None:
    before = installation.answer(f"/{STATIC_FILE}").commit
    build = installation.wait_for_build(push_code(installation, code))
    with Portal(installation) as portal:
        page = portal.build_page(build)
    went_on(installation, load, before)
    assert (build.result, build.error_title) == ("failure", "The new pool did not become ready"), build
    assert says in build.error_detail
    assert says in page
    assert "What served before goes on serving" in page


def test_a_pool_that_boots_slowly_gets_traffic_when_it_is_ready(
    installation: Installation, load: Load, mended: None
) -> None:
    sha = push_code(installation, SLOW)
    build = installation.wait_for_build(sha)
    load.wait_for(20)
    assert build.result == "success", build
    assert installation.answer(f"/{STATIC_FILE}").commit == sha
    assert load.figures().failed == 0, load.figures()


def test_a_pool_without_an_installed_modules_code_gets_no_traffic(
    installation: Installation, load: Load, mended: None
) -> None:
    before = installation.answer(f"/{STATIC_FILE}").commit
    build = installation.wait_for_build(installation.push({LIBRARY: None}, "Lose a module"))
    went_on(installation, load, before)
    assert build.result == "failure", build
    assert "not loaded" in build.error_detail
    assert "berth_library" in build.error_detail


def test_running_out_of_memory_in_an_installation_is_said(installation: Installation) -> None:
    good = installation.files([CODE], "memory")
    build = installation.wait_for_build(installation.push({CODE: OUT_OF_MEMORY}, "Take all memory", "memory"))
    again = installation.wait_for_build(installation.push(good, "Take less", "memory"))
    assert (build.result, build.error_title) == ("failure", "Odoo needed more memory than it has"), build
    assert "MB of memory" in build.error_detail
    assert again.result == "success", again
    assert installation.settled() == []


# --- containers that are not what they seem ---------------------------------------------------------------------------
@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    with closing(docker.DockerClient(version="1.41", timeout=120)) as client:
        yield client


def container(installation: Installation, build: BuildRow) -> str:
    (row,) = installation.query("SELECT * FROM hosting_pool WHERE id = %s", build.pool)
    return f"berth-{installation.values['BERTH_INSTALLATION']}-i{row['instance_id']}-g{row['generation']}-web"


def image_name(installation: Installation, build: BuildRow) -> str:
    (row,) = installation.query("SELECT project_id FROM builds_build WHERE id = %s", build.id)
    return f"berth-{installation.values['BERTH_INSTALLATION']}/p{row['project_id']}:b{build.id}"


def test_a_wrong_image_behind_the_right_tag_is_not_what_runs(
    installation: Installation, engine: docker.DockerClient, load: Load, mended: None
) -> None:
    """Pools are started by what was built, whatever somebody calls by its name meanwhile."""
    (live,) = installation.query("SELECT p.image_id FROM hosting_pool p WHERE state = 'live' ORDER BY id LIMIT 1")
    with hold(installation, "start_pool", Moment.BEGINS) as held:
        sha = change_static_file(installation)
        held.wait()
        name = image_name(installation, installation.builds(sha)[0])
        built = engine.images.get(name).id
        engine.images.get(live["image_id"]).tag(name)
        assert engine.images.get(name).id != built
    build = installation.wait_for_build(sha)
    load.wait_for(20)
    assert build.result == "success", build
    assert installation.answer(f"/{STATIC_FILE}").text == installation.read(STATIC_FILE)
    assert engine.containers.get(container(installation, build)).image.id == built  # type: ignore[union-attr]
    assert load.figures().failed == 0, load.figures()


def impostor(engine: docker.DockerClient, original: Container, image: str) -> None:
    """Another image under the same name, at the same address."""
    attributes = original.attrs
    (network,) = attributes["NetworkSettings"]["Networks"]
    address = attributes["NetworkSettings"]["Networks"][network]["IPAddress"]
    original.remove(force=True)
    # low level: only there can an address be asked for
    api: Any = engine.api
    made = api.create_container(
        image,
        command=attributes["Config"]["Cmd"],
        environment=attributes["Config"]["Env"],
        labels=attributes["Config"]["Labels"],
        name=attributes["Name"].lstrip("/"),
        host_config=api.create_host_config(binds=attributes["HostConfig"]["Binds"], network_mode=network),
        networking_config=api.create_networking_config({network: api.create_endpoint_config(ipv4_address=address)}),
    )
    api.start(made["Id"])


def test_a_container_of_another_image_gets_no_traffic(
    installation: Installation, engine: docker.DockerClient, load: Load, mended: None
) -> None:
    before = installation.answer(f"/{STATIC_FILE}").commit
    (live,) = installation.query("SELECT p.image_id FROM hosting_pool p WHERE state = 'live' ORDER BY id LIMIT 1")
    with hold(installation, "prove_ready", Moment.BEGINS) as held:
        sha = change_static_file(installation)
        held.wait()
        build = installation.builds(sha)[0]
        impostor(engine, engine.containers.get(container(installation, build)), live["image_id"])
    build = installation.wait_for_build(sha)
    went_on(installation, load, before)
    assert build.result == "failure", build
    assert "runs image" in build.error_detail


def wait_until_stopped(engine: docker.DockerClient, name: str) -> None:
    """Stopped or removed: kept pools stop when nobody may roll back to them any more."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        try:
            found = engine.containers.get(name)
        except NotFound:
            return
        if found.status != "running":
            return
        found.stop(timeout=30)
    raise TimeoutError(name)


@contextmanager
def stranger(installation: Installation, engine: docker.DockerClient, address: str) -> Iterator[None]:
    """A container at an address of production's network that answers everybody with 500."""
    own = f"berth-{installation.values['BERTH_INSTALLATION']}"
    (live,) = installation.query("SELECT p.image_id FROM hosting_pool p WHERE state = 'live' ORDER BY id LIMIT 1")
    api: Any = engine.api
    made = api.create_container(
        live["image_id"],
        entrypoint=["python3", "-c", STRANGER],
        name=f"{own}-i0-g0-stranger".replace("berth", "stranger"),
        host_config=api.create_host_config(network_mode=f"{own}-prod"),
        networking_config=api.create_networking_config(
            {f"{own}-prod": api.create_endpoint_config(ipv4_address=address)}
        ),
    )
    try:
        api.start(made["Id"])
        yield
    finally:
        api.remove_container(made["Id"], force=True)


STRANGER = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(500, "a stranger")
http.server.HTTPServer(("0.0.0.0", 8069), Answer).serve_forever()
"""


def test_a_stopped_containers_address_leads_nobody_to_who_has_it_now(
    installation: Installation, engine: docker.DockerClient, load: Load, mended: None
) -> None:
    """The address of a pool that is gone is taken by a stranger: no request and no new pool comes to it."""
    first = installation.wait_for_build(change_static_file(installation))
    (live,) = installation.query("SELECT * FROM hosting_pool WHERE id = %s", first.pool)
    second = installation.wait_for_build(change_static_file(installation))
    wait_until_stopped(engine, container(installation, first))
    with stranger(installation, engine, str(live["web_address"])):
        sha = change_static_file(installation)
        build = installation.wait_for_build(sha)
        load.wait_for(20)
        (new,) = installation.query("SELECT * FROM hosting_pool WHERE id = %s", build.pool)
    assert (second.result, build.result) == ("success", "success"), build
    assert new["web_address"] != live["web_address"]
    assert installation.answer(f"/{STATIC_FILE}").commit == sha
    assert load.figures().failed == 0, load.figures()
