"""What is said of an engine that Berth found running, and which process is one."""

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

from deploy.daemons import runs
from deploy.engine import _is_of, unhandy

GOOD = {"LiveRestoreEnabled": True, "Swarm": {"LocalNodeState": "inactive"}, "Driver": "overlay2", "MemoryLimit": True}


def test_a_good_engine_needs_no_word() -> None:
    assert unhandy(GOOD) == []


def test_an_engine_that_stops_databases_when_it_restarts_is_named_with_the_setting() -> None:
    (said,) = unhandy(GOOD | {"LiveRestoreEnabled": False})
    assert '{"live-restore": true}' in said


def test_an_engine_without_memory_limits_is_named() -> None:
    (said,) = unhandy(GOOD | {"MemoryLimit": False})
    assert "memory" in said


def test_an_engine_that_died_is_none_though_its_parent_has_not_noticed(tmp_path: Path) -> None:
    program, pid_file = tmp_path / "dockerd", tmp_path / "docker.pid"
    shutil.copy("/bin/cat", program)
    with subprocess.Popen([program], stdin=subprocess.PIPE) as engine:
        pid_file.write_text(str(engine.pid))
        assert runs(pid_file, partial(_is_of, "dockerd")) == engine.pid
        engine.kill()
        os.waitid(os.P_PID, engine.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        assert runs(pid_file, partial(_is_of, "dockerd")) is None
