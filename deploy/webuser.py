"""The user that the web processes run as. Of all of Berth they alone answer the Internet, and they need neither the
engine nor the router, nor the password of PostgreSQL's superuser: so they may reach none of them.

They get a file of settings without those secrets, and a folder for their sockets that HAProxy may pass.
"""

import os
import pwd
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.environment import Environment, text
from deploy.packages import full_path
from deploy.processes import CHECKOUT, PYTHON
from deploy.progress import Progress
from deploy.router import open_to_haproxy
from portal.commands import run

WITHHELD = {
    "BERTH_HOSTED_URL",
    "BERTH_LAB_URL",
    "BERTH_OPERATOR_PASSWORD",
    "BERTH_PG_ADMIN_PASSWORD",
    "BERTH_RECOVERY_KEY",
    "BERTH_SMTP_URL",
    "BERTH_PG_PORTAL_PASSWORD",  # it is in BERTH_DATABASE_URL
}
SETTINGS = "web.env"
TIMEOUT = 60.0  # seconds


@dataclass(frozen=True)
class WebUser:
    name: str
    uid: int
    gid: int


ROOT = WebUser("root", 0, 0)


def ensure(home: Path, values: Environment, progress: Progress) -> WebUser:
    """Make the user, its settings, and the folder of its sockets. Raises SetupError, CommandError.

    Where it could not read Berth's code, that is said, and the web processes stay root's.
    """
    user = _account(values, progress)
    closed = unreachable(user)
    if closed:
        progress.say(f"the web processes run as root: {user.name} can't read {closed}.")
        progress.say("Put the checkout where other users may pass and look, remove its .venv, and run bin/up again.")
        user = ROOT
    _write(home / SETTINGS, {key: value for key, value in values.items() if key not in WITHHELD}, user)
    (home / "web").mkdir(exist_ok=True)
    open_to_haproxy(home / "web", owner=user.uid)
    return user


def name(values: Environment) -> str:
    return f"berth-{values['BERTH_INSTALLATION']}"


def remove(values: Environment) -> None:
    """Raises CommandError."""
    if _find(values) is not None:
        run(["userdel", name(values)], timeout=TIMEOUT, env={"PATH": full_path()})


def as_user(user: WebUser, *argv: str) -> list[str]:
    """A command line that runs `argv` as the user, with no group but its own."""
    return ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups", "--", *argv]


def unreachable(user: WebUser, python: Path = PYTHON, checkout: Path = CHECKOUT) -> str:
    """What of the code the user can't read; "" where it can."""
    # Through env: setpriv itself still has root's rights when it looks for what it starts.
    code = "import uvicorn, portal.environment; open('templates/base.html').close()"
    trial = as_user(user, "env", str(python), "-c", code)
    environment = {"PATH": full_path(), "PYTHONPATH": str(checkout)}
    result = run(trial, timeout=TIMEOUT, env=environment, cwd=checkout, check=False)
    if result.exit_code == 0:
        return ""
    return next(_closed((checkout, python, python.resolve())), f"{checkout}: {result.output.strip()[-300:]}")


def _closed(paths: Sequence[Path]) -> Iterator[str]:
    for path in paths:
        yield from (str(part) for part in reversed(path.parents) if not part.stat().st_mode & 0o001)


def _account(values: Environment, progress: Progress) -> WebUser:
    found = _find(values)
    if found is None:
        progress.say(f"making the system user {name(values)}, as which the web processes run")
        argv = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        argv += ["--shell", "/usr/sbin/nologin", name(values)]
        run(argv, timeout=TIMEOUT, env={"PATH": full_path()})
        found = _find(values)
    assert found is not None
    return found


def _find(values: Environment) -> WebUser | None:
    try:
        account = pwd.getpwnam(name(values))
    except KeyError:
        return None
    return WebUser(account.pw_name, account.pw_uid, account.pw_gid)


def _write(file: Path, values: Environment, user: WebUser) -> None:
    """Replace the file in one step; the user may read it, and nobody but root may write."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text(values))
    os.chown(new, 0, user.gid)
    new.chmod(0o640)
    new.replace(file)
