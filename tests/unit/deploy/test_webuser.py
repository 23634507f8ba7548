"""What the web processes get to know, and as whom they run."""

import io
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy import webuser
from deploy.environment import fresh, read
from deploy.progress import Progress
from deploy.webuser import WebUser
from hosting.engines.haproxy import RouterConfig

NOBODY = WebUser("nobody", 65534, 65534)
# What the portal's settings can't do without.
NEEDED = {"BERTH_DATABASE_URL", "BERTH_SECRET_KEY", "BERTH_FERNET_KEYS", "BERTH_INSTALLATION", "BERTH_PORTAL_PORT"}


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Whoever runs the tests, the user exists and nothing changes hands."""
    monkeypatch.setattr(webuser, "_account", lambda _values, _progress: NOBODY)
    monkeypatch.setattr(webuser, "unreachable", lambda _user: "")
    monkeypatch.setattr(os, "chown", lambda *_arguments: None)
    monkeypatch.setattr(shutil, "chown", lambda *_arguments: None)
    return tmp_path


@pytest.fixture
def folder() -> Iterator[Path]:
    """Open to all, unlike pytest's own."""
    with TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_they_get_no_secret_of_engines_and_clusters_but_all_else(home: Path) -> None:
    values = fresh([])
    assert webuser.ensure(home, values, Progress(io.StringIO())) == NOBODY
    given = read(home / "web.env")
    assert given.keys() == values.keys() - webuser.WITHHELD
    assert given.keys() >= NEEDED
    assert values["BERTH_PG_ADMIN_PASSWORD"] not in (home / "web.env").read_text()
    assert stat.S_IMODE((home / "web.env").stat().st_mode) == 0o640


def test_nobody_else_reaches_their_sockets(home: Path) -> None:
    webuser.ensure(home, fresh([]), Progress(io.StringIO()))
    assert stat.S_IMODE((home / "web").stat().st_mode) == 0o750


def test_haproxy_looks_for_their_sockets_where_they_are(home: Path) -> None:
    assert RouterConfig(home / "haproxy", home / "run").web == home / "web"


def test_where_the_code_is_closed_to_others_it_is_said_and_root_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webuser, "unreachable", lambda _user: "/root")
    out = io.StringIO()
    assert webuser.ensure(home, fresh([]), Progress(out)) == webuser.ROOT
    assert "run as root: nobody can't read /root" in out.getvalue()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_closed_folder_above_the_code_is_found(folder: Path) -> None:
    (folder / "closed" / "checkout").mkdir(parents=True)
    (folder / "closed").chmod(0o700)
    assert webuser.unreachable(NOBODY, Path(sys.executable), folder / "closed" / "checkout") == str(folder / "closed")
