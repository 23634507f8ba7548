"""What brings an installation back after a reboot, where systemd runs: two units that bin/up makes.

One sets the firewall rules before Docker Engine starts the containers that ran last, the other starts Berth after it.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path

from deploy.environment import Environment
from deploy.processes import CHECKOUT, HAND_OVER
from deploy.progress import Progress
from portal.commands import run

UNITS = Path("/etc/systemd/system")
TIMEOUT = 60.0  # seconds of a call of systemctl
# They bring their own rules back, and take away what they find.
FIREWALLS = "netfilter-persistent.service nftables.service ufw.service firewalld.service"


def runs() -> bool:
    """As sd_booted(3) asks."""
    return Path("/run/systemd/system").is_dir()


def names(values: Environment) -> tuple[str, str]:
    """The unit of the firewall rules, and that of the rest."""
    name = f"berth-{values['BERTH_INSTALLATION']}"
    return f"{name}-walls.service", f"{name}.service"


def units(home: Path, values: Environment, checkout: Path = CHECKOUT) -> Mapping[str, str]:
    """Name of each unit -> its text."""
    walls, berth = names(values)
    up, down = checkout / "bin" / "up", checkout / "bin" / "down"
    return {
        walls: _unit(
            home,
            checkout,
            f"Firewall rules of the databases that Berth hosts in {home}",
            relations=f"After={FIREWALLS}\nBefore=docker.service {berth}",
            service=f"ExecStart={_quoted(str(up))} --walls",
        ),
        berth: _unit(
            home,
            checkout,
            f"Berth in {home}",
            relations=f"Wants=docker.service network-online.target {walls}\n"
            f"After=docker.service network-online.target {walls}",
            # Without OOMPolicy, systemd would end all for one process that the kernel killed.
            service=f"ExecStart={_quoted(str(up))} --boot\nExecStop={_quoted(str(down))}\n"
            f"TimeoutStopSec={HAND_OVER + 210}\nOOMPolicy=continue",
        ),
    }


def ensure(home: Path, values: Environment, progress: Progress, folder: Path = UNITS) -> None:
    """Install the units where systemd runs. They take effect at the next boot. Raises CommandError."""
    if not runs():
        return
    wanted = units(home, values)
    changed = [name for name, text in wanted.items() if not _says(folder / name, text)]
    if not changed:
        return
    progress.say(f"installing units of systemd: {', '.join(changed)} in {folder};")
    progress.say("after a reboot they set the firewall rules and start Berth")
    for name in changed:
        (folder / name).write_text(wanted[name])
    run(["systemctl", "daemon-reload"], timeout=TIMEOUT)
    run(["systemctl", "enable", "--quiet", *changed], timeout=TIMEOUT)


def remove(values: Environment, folder: Path = UNITS) -> None:
    """Raises CommandError."""
    there = [name for name in names(values) if (folder / name).exists()]
    if not there:
        return
    run(["systemctl", "disable", "--quiet", *there], timeout=TIMEOUT)
    for name in there:
        (folder / name).unlink()
    run(["systemctl", "daemon-reload"], timeout=TIMEOUT)


def _unit(home: Path, checkout: Path, description: str, *, relations: str, service: str) -> str:
    return (
        "# Written by bin/up, removed by bin/down --purge.\n"
        f"[Unit]\nDescription={_escaped(description)}\n{relations}\n"
        f"RequiresMountsFor={_quoted(str(home))} {_quoted(str(checkout))}\n\n"
        f"[Service]\nType=oneshot\nRemainAfterExit=yes\nEnvironment={_quoted(f'BERTH_HOME={home}')}\n{service}\n\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )


def _says(file: Path, text: str) -> bool:
    return file.exists() and file.read_text() == text


def _quoted(text: str) -> str:
    text = _escaped(text)
    return text if shlex.quote(text) == text else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(text: str) -> str:
    """`%` begins a specifier. https://www.freedesktop.org/software/systemd/man/systemd.unit.html#Specifiers"""
    return text.replace("%", "%%")
