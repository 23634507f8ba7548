"""One stage for all contract tests, and databases to copy from. `BERTH_ODOO_IMAGE` names the image under test."""

import os
import secrets
from collections.abc import Iterator

import pytest

from images.build import ensure_stand_in
from portal.commands import run

from .serving import Server
from .stage import Stage

collect_ignore = ["addons", "addons_next"]
SERVING = ("--workers", "2", "--max-cron-threads", "0", "--proxy-mode", "--limit-time-real", "20")


@pytest.fixture(scope="session")
def image() -> str:
    named = os.environ.get("BERTH_ODOO_IMAGE")
    return named or ensure_stand_in("18.0", output=lambda _text: None)


@pytest.fixture(scope="session")
def is_stand_in(image: str) -> bool:
    form = '{{index .Config.Labels "berth.stand-in"}}'
    return run(["docker", "image", "inspect", "--format", form, image], timeout=60).output.strip() == "1"


@pytest.fixture(autouse=True)
def _real_odoo_only(request: pytest.FixtureRequest, is_stand_in: bool) -> None:
    if is_stand_in and request.node.get_closest_marker("real_odoo"):
        pytest.skip("only a genuine Odoo image can show this")


@pytest.fixture(scope="session")
def stage(image: str) -> Iterator[Stage]:
    stage = Stage(image)
    try:
        stage.set_up()
        yield stage
    finally:
        stage.tear_down()


@pytest.fixture(scope="session")
def series(stage: Stage) -> str:
    """`18.0`, read off the image itself."""
    printed = stage.program("odoo", "--version").output.split()[-1]
    return ".".join(printed.split("-")[0].split(".")[:2])


@pytest.fixture(scope="session")
def book_database(stage: Stage) -> str:
    """A database with `contract_book` and what it depends on, without demo data. To copy from, not to change."""
    name = stage.create_database("template_book")
    ended = stage.odoo("-d", name, "-i", "contract_book", "--without-demo=all", "--stop-after-init")
    assert ended.exit_code == 0, ended.output[-3000:]
    return name


@pytest.fixture
def copy(stage: Stage, book_database: str) -> Iterator[str]:
    """A copy of the book database for one test."""
    name = stage.create_database(f"copy_{secrets.token_hex(4)}", book_database)
    yield name
    stage.drop_database(name)


@pytest.fixture(scope="module")
def server(stage: Stage, book_database: str, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A prefork server on a copy of the book database, shared by the tests of a module."""
    database = stage.create_database(f"served_{request.module.__name__.rpartition('.')[2]}", book_database)
    with stage.serve("-d", database, "--db-filter", f"^{database}$", *SERVING) as server:
        server.wait()
        server.wait("/websocket/health", port=8072)
        yield server
