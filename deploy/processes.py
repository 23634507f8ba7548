"""Which processes are Berth's own, as a configuration of supervisord.

HAProxy, PostgreSQL and the engine are not among them, so that stopping or updating Berth leaves the hosted databases
alone.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.environment import Environment, has_demo

CHECKOUT = Path(__file__).resolve().parent.parent
PYTHON = CHECKOUT / ".venv/bin/python"
WEB = ("web-1", "web-2")
WORKERS = {  # and their queues. What is urgent must not wait until a step of a deploy has ended, when all are restarted
    "worker-urgent": ("urgent",),
    "worker": ("deploy", "background", "rounds", "outside"),
}
HAND_OVER = 90  # seconds that a worker gets to finish its step and hand its story over


@dataclass(frozen=True)
class Program:
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_seconds: int = 15
    # A worker passes the wish to stop on by itself; the signal would kill its children in the middle of a step.
    stop_children: bool = True
    user: str = "root"


def programs(home: Path, values: Environment, web_user: str) -> list[Program]:
    """What runs, in the order in which it is started. The web processes run as `web_user` (deploy/webuser.py)."""
    python = str(PYTHON)
    manage = (python, str(CHECKOUT / "manage.py"))
    serve = (python, "-m", "uvicorn", "portal.asgi:application", "--lifespan", "off", "--no-access-log")
    uvicorn = (*serve, "--forwarded-allow-ips", "*", "--timeout-graceful-shutdown", "10")
    own = {"BERTH_ENV_FILE": "web.env", "HOME": str(home / "web")}
    listed = [
        Program(name, (*uvicorn, "--uds", str(web_socket(home, name))), own, stop_seconds=20, user=web_user)
        for name in WEB
    ]
    listed += [
        Program(name, (*manage, "worker", *queues), stop_seconds=HAND_OVER, stop_children=False)
        for name, queues in WORKERS.items()
    ]
    listed.append(Program("agent", (*manage, "agent")))
    if has_demo(values):
        fakehub = (python, "-m", "tests.fakehub", "--port", values["BERTH_FAKEHUB_PORT"])
        listed.append(Program("fakehub", (*fakehub, "--root", str(home / "fakehub"), "--seed", "demo")))
    return listed


def web_socket(home: Path, name: str) -> Path:
    return home / "web" / f"{name}.sock"


def render(home: Path, listed: Iterable[Program]) -> str:
    """supervisord's configuration. `%` introduces an expansion there, so it is doubled."""
    run_folder, log = escaped(str(home / "run")), escaped(str(home / "log"))
    parts = [
        "; Written by bin/up.",
        f"[unix_http_server]\nfile={run_folder}/supervisor.sock\nchmod=0600",
        f"[supervisord]\npidfile={run_folder}/supervisord.pid\nlogfile={log}/supervisord.log\nlogfile_maxbytes=5MB\n"
        f"logfile_backups=2\nchildlogdir={log}\nnodaemon=false\nminfds=4096\nminprocs=200",
        f"[supervisorctl]\nserverurl=unix://{run_folder}/supervisor.sock",
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    return "\n\n".join([*parts, *(_section(home, program) for program in listed)]) + "\n"


def _section(home: Path, program: Program) -> str:
    environment = {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(CHECKOUT), "BERTH_HOME": str(home), **program.environment}
    settings = {
        "command": " ".join(quoted(word) for word in program.command),
        "user": program.user,
        "directory": escaped(str(CHECKOUT)),
        "environment": ",".join(f"{name}={quoted(value)}" for name, value in environment.items()),
        "autostart": "true",
        "autorestart": "true",
        "startsecs": "2",
        "startretries": "1000",  # the pause grows by a second with each: days of it, as nobody else would try again
        "stopsignal": "TERM",
        "stopwaitsecs": str(program.stop_seconds),
        "stopasgroup": str(program.stop_children).lower(),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": escaped(str(home / "log" / f"{program.name}.log")),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": "3",
    }
    return f"[program:{program.name}]\n" + "\n".join(f"{name}={value}" for name, value in settings.items())


def escaped(text: str) -> str:
    return text.replace("%", "%%")


def quoted(text: str) -> str:
    return '"' + escaped(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def version(home: Path, checkout: Path = CHECKOUT) -> str:
    """Changes with the code, the packages and the settings that the processes run with."""
    files = [home / ".env", checkout / "requirements.lock", checkout / "manage.py"]
    for folder in ("portal", "hosting", "projects", "builds", "templates", "tests/fakehub"):
        files += (path for path in (checkout / folder).rglob("*") if path.suffix in {".py", ".html", ".lua"})
    digest = hashlib.sha256()
    for path in sorted(path for path in files if path.is_file() and "node_modules" not in path.parts):
        digest.update(f"{path}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
