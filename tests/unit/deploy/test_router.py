"""When a running router has to be reloaded."""

from pathlib import Path

import pytest

from deploy.router import reloadable
from hosting.engines.haproxy import RouterConfig


@pytest.fixture
def config(tmp_path: Path) -> RouterConfig:
    made = RouterConfig(home=tmp_path, run=tmp_path / "run")
    made.slots_dir.mkdir()
    for name in ("haproxy.cfg", "router.lua", "routes.map", "slots/s00001.cfg"):
        (tmp_path / name).write_text("1")
    return made


@pytest.mark.parametrize("name", ["routes.map", "slots/s00001.cfg"])
def test_what_is_set_while_it_runs_needs_no_reload(config: RouterConfig, name: str) -> None:
    before = reloadable(config)
    (config.home / name).write_text("2")
    assert reloadable(config) == before


@pytest.mark.parametrize("name", ["haproxy.cfg", "router.lua", "slots/s00002.cfg"])
def test_configuration_code_and_more_slots_need_one(config: RouterConfig, name: str) -> None:
    before = reloadable(config)
    (config.home / name).write_text("2")
    assert reloadable(config) != before
