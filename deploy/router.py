"""HAProxy, which routes addresses to databases. Nobody's child: it goes on when Berth stops."""

import shutil
from pathlib import Path

from deploy.management import manage
from deploy.progress import Progress, SetupError
from hosting.engines.haproxy import Router, RouterBusy, RouterConfig, RouterError


def ensure(home: Path, progress: Progress) -> None:
    """HAProxy runs with the configuration that the database asks for. Raises SetupError."""
    router = of(home)
    open_to_haproxy(router.config.run)
    manage("router", "--write")
    try:
        if not router.start() and router.needs_reload():
            progress.say("reloading HAProxy: its configuration has changed")
            router.reload()
    except RouterBusy:
        progress.say("HAProxy was not reloaded, since requests are being held; run bin/up again in a minute")
    except RouterError as error:
        raise SetupError(
            f"The router: {error}",
            left="What was running goes on with the configuration it has.",
            todo="where a port is in use, set BERTH_ROUTER_PORT or BERTH_PORTAL_PORT to a free one; run bin/up again.",
        ) from error


def shutdown(home: Path) -> None:
    """Raises SetupError when it doesn't end."""
    try:
        of(home).stop()
    except RouterError as error:
        raise SetupError(str(error), left="The databases behind it run.", todo="run bin/down again.") from error


def of(home: Path) -> Router:
    """It knows only where things are; what is in the configuration is the portal's to know."""
    return Router(RouterConfig(home=home / "haproxy", run=home / "run"))


def open_to_haproxy(folder: Path, *, owner: int = 0) -> None:
    """HAProxy's own user must reach the sockets in it, nobody else but `owner` (uid). Raises SetupError."""
    group = RouterConfig.group
    try:
        shutil.chown(folder, owner, group)
    except LookupError as error:
        raise SetupError(
            f"This machine has no group {group}; the haproxy package makes it.",
            left="HAProxy was not started.",
            todo="apt-get install haproxy",
        ) from error
    folder.chmod(0o750)
