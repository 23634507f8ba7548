"""What somebody could reach who broke into a web process: neither engine, router nor clusters."""

import json
import re
import sys
from pathlib import Path

import pytest

from portal.commands import run
from tests.installation import Installation

pytestmark = pytest.mark.faults

# Prints which of the sockets accept it, and which of the files let themselves be read.
REACH = """
import json, socket, sys
def reaches(path):
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.connect(path)
    except OSError as error:
        return False
    return True
def reads(path):
    try:
        open(path, "rb").read(1)
    except OSError:
        return False
    return True
sockets, files = json.loads(sys.argv[1])
print(json.dumps([path for path in sockets if reaches(path)] + [path for path in files if reads(path)]))
"""


def reached(sockets: list[Path], files: list[Path], *becoming: str) -> list[Path]:
    """Those of them that somebody reaches; `becoming` is the command by which we become him."""
    told = json.dumps([[str(path) for path in sockets], [str(path) for path in files]])
    argv = [*becoming, "/usr/bin/python3" if becoming else sys.executable, "-c", REACH, told]
    return [Path(path) for path in json.loads(run(argv, timeout=60).output)]


@pytest.fixture(params=["web-1", "web-2"])
def become_web(request: pytest.FixtureRequest, installation: Installation) -> list[str]:
    """How to become who the web process is, groups and all."""
    status = Path(f"/proc/{installation.pid(request.param)}/status").read_text()
    uid, gid, groups, capabilities = (
        re.findall(rf"^{name}:\s*(.*?)\s*$", status, re.MULTILINE)[0] for name in ("Uid", "Gid", "Groups", "CapEff")
    )
    if uid.split()[0] == "0":
        pytest.skip("bin/up said that another user can't read this checkout or its Python")
    assert len({*uid.split()}) == len({*gid.split()}) == 1  # it can't become root again
    assert int(capabilities, 16) == 0
    return [
        *("setpriv", f"--reuid={uid.split()[0]}", f"--regid={gid.split()[0]}"),
        *(f"--groups={','.join(groups.split())}", "--"),
    ]


def test_a_web_process_reaches_neither_engine_nor_router_nor_clusters(
    installation: Installation, become_web: list[str]
) -> None:
    home, port = installation.home, installation.values["BERTH_PG_HOSTED_PORT"]
    sockets = [
        Path("/var/run/docker.sock"),
        home / "run" / "router.sock",
        home / "run" / "router-master.sock",
        home / "run" / "supervisor.sock",
        Path(f"/run/berth-{installation.values['BERTH_INSTALLATION']}/.s.PGSQL.{port}"),
    ]
    files = [home / ".env", home / "run" / "supervisord.conf", home / "demo.json"]
    assert reached(sockets, files) == [*sockets, *files]  # root does: they are there
    assert reached(sockets, files, *become_web) == []


def test_its_settings_hold_no_password_of_a_superuser(installation: Installation, become_web: list[str]) -> None:
    settings = installation.home / "web.env"
    assert reached([], [settings], *become_web) == [settings]
    told = settings.read_text()
    withheld = ("BERTH_PG_ADMIN_PASSWORD", "BERTH_OPERATOR_PASSWORD", "BERTH_HOSTED_URL", "BERTH_LAB_URL")
    assert [name for name in withheld if name in told or installation.values[name] in told] == []
