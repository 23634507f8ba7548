"""Packages of the distribution: which are missing, and getting them.

Tried on Debian 12; written for Debian 13 and Ubuntu 24.04 too, untested there.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.progress import Progress, SetupError
from hosting.engines.postgres import ServerTooOld, Version, gate
from portal.commands import CommandError, run

POSTGRESQL_ROOT = Path("/usr/lib/postgresql")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Which = Callable[[str], str | None]


@dataclass(frozen=True)
class Need:
    """A program, why it is needed, and the packages that bring it. Any copy of the program on PATH will do."""

    program: str
    packages: tuple[str, ...]
    why: str


TO_RUN = (
    Need("dockerd", ("docker.io",), "runs the hosted databases' containers"),
    Need("haproxy", ("haproxy",), "routes addresses to databases"),
    Need("iptables", ("iptables",), "keeps tenants away from the host and each other"),
    Need("mmdebstrap", ("mmdebstrap",), "makes the base of the stand-in Odoo image"),
    Need("npm", ("nodejs", "npm"), "gets the front-end files"),
    Need("git", ("git",), "fetches repositories"),
    Need("ssh", ("openssh-client",), "fetches private submodules"),
    Need("restic", ("restic",), "keeps backups"),
    Need("setpriv", ("util-linux",), "runs PostgreSQL as its own user"),
    Need("ip", ("iproute2",), "tells which networks are in use"),
)
# A part of docker.io in Debian 12, a package of its own in Debian 13: asked for once docker.io is there.
DOCKER_CLI = Need("docker", ("docker-cli",), "talks to Docker Engine")
TO_TEST = (
    Need("pebble", ("pebble",), "is the certificate authority in the tests, with its name server"),
    Need("chromium", ("chromium",), "walks through the pages in the browser tests"),
    Need("sshd", ("openssh-server",), "is a place for backups in the tests; it may start a server of its own"),
    Need("busybox", ("busybox-static",), "is the tenant in the tests of the engine and the firewall"),
)


def full_path() -> str:
    return f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"


def which(program: str) -> str | None:
    """Like a root shell would find it: a sudo or cron PATH may lack the sbin folders."""
    return shutil.which(program, path=full_path())


def missing(needs: Iterable[Need], which: Which = which) -> list[Need]:
    return [need for need in needs if which(need.program) is None]


def postgresql_versions(root: Path = POSTGRESQL_ROOT) -> list[Version]:
    """Each PostgreSQL server installed, newest last."""
    found = []
    for program in root.glob("*/bin/postgres"):
        match = re.search(r"\(PostgreSQL\) (\d+)\.(\d+)", run([str(program), "--version"], timeout=10).output)
        if match:
            found.append(Version(int(match[1]), int(match[2])))
    return sorted(found)


def postgresql_bin(values: Mapping[str, str], versions: list[Version] | None = None) -> Path:
    """The folder of the newest server programs that pass the gate. Raises SetupError."""
    wrong = "PostgreSQL is not installed."
    for version in reversed(postgresql_versions() if versions is None else versions):
        try:
            if values.get("BERTH_ALLOW_OLD_POSTGRESQL") != "1":
                gate(version)
        except ServerTooOld as error:
            wrong = str(error)
        else:
            return POSTGRESQL_ROOT / str(version.major) / "bin"
    raise SetupError(
        wrong,
        left="No cluster was made or started.",
        todo="apt-get update && apt-get install postgresql (or, knowing the risk: BERTH_ALLOW_OLD_POSTGRESQL=1 bin/up)",
    )


def ensure(
    needs: Iterable[Need], progress: Progress, *, postgresql: bool = True, values: Mapping[str, str] = os.environ
) -> None:
    """Install what is missing, saying so first. Raises SetupError with the command where it can't be had."""
    lacking = missing(needs)
    names = [package for need in lacking for package in need.packages]
    for need in lacking:
        progress.say(f"installing {' '.join(need.packages)} from the distribution: {need.why}")
    if postgresql and not _postgresql_is_usable(values):
        names.append("postgresql")
        progress.say("installing or upgrading postgresql from the distribution: keeps all data")
        progress.say('(the package also starts a cluster of its own, "main" on port 5432; Berth leaves it alone)')
    if names:
        apt_get(names)
    if missing([DOCKER_CLI]):
        progress.say(f"installing {DOCKER_CLI.packages[0]} from the distribution: {DOCKER_CLI.why}")
        apt_get(list(DOCKER_CLI.packages))
    if postgresql:
        postgresql_bin(values)


def _postgresql_is_usable(values: Mapping[str, str]) -> bool:
    try:
        postgresql_bin(values)
    except SetupError:
        return False
    return True


def apt_get(names: list[str]) -> None:
    """Raises SetupError."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "PATH": full_path()}
    by_hand = f"apt-get update && apt-get install --no-install-recommends {' '.join(names)}"
    if which("apt-get") is None:
        raise SetupError(
            "This machine has no apt-get; Berth's set-up knows Debian and Ubuntu.",
            left="Nothing was installed.",
            todo=f"install what these packages hold: {' '.join(names)}",
        )
    # A server of a newer minor release lies in the versioned package that `postgresql` only depends on.
    upgrades = [f"postgresql-{version.major}" for version in postgresql_versions()] if "postgresql" in names else []
    try:
        run(["apt-get", "update", "-q"], timeout=300, env=environment)
        install = ["apt-get", "install", "-qy", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"]
        run([*install, *names, *upgrades], timeout=1800, env=environment)
    except CommandError as error:
        raise SetupError(
            f"The distribution's packages {' '.join(names)} could not be installed:\n{error.output.strip()[-1500:]}",
            left="Nothing of Berth was started; packages that apt had installed before the failure stay.",
            todo=by_hand,
        ) from error
