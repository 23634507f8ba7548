"""When bin/up reloads a running router."""

from pathlib import Path

import pytest

from deploy import router
from deploy.progress import Progress
from hosting.engines.haproxy import RouterBusy, RouterConfig


class Running:
    """A router that runs already, with what it had when it was started."""

    def __init__(self, home: Path) -> None:
        self.config = RouterConfig(home=home / "haproxy", run=home / "run")
        self.changed = self.held = False
        self.reloads = 0

    def start(self) -> bool:
        return False

    def needs_reload(self) -> bool:
        return self.changed

    def reload(self) -> None:
        if self.held:
            raise RouterBusy("Requests are being held.")
        self.reloads += 1
        self.changed = False


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Running:
    made = Running(tmp_path)
    monkeypatch.setattr(router, "of", lambda _home: made)
    monkeypatch.setattr(router, "manage", lambda *_arguments: None)
    monkeypatch.setattr(router, "open_to_haproxy", lambda _folder: None)
    return made


def test_it_is_let_be_where_nothing_has_changed(running: Running, tmp_path: Path) -> None:
    router.ensure(tmp_path, Progress())
    assert running.reloads == 0


def test_another_configuration_is_loaded_once(running: Running, tmp_path: Path) -> None:
    running.changed = True
    router.ensure(tmp_path, Progress())
    router.ensure(tmp_path, Progress())
    assert running.reloads == 1


def test_what_was_put_off_in_a_hold_is_loaded_the_next_time(running: Running, tmp_path: Path) -> None:
    """The files were written then, and are the same now."""
    running.changed = running.held = True
    router.ensure(tmp_path, Progress())
    assert running.reloads == 0
    running.held = False
    router.ensure(tmp_path, Progress())
    assert running.reloads == 1
