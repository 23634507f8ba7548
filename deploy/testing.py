"""bin/test: prepares what the tests need, in a home of its own, and runs them.

Nothing here touches a real installation: the tests' `$BERTH_HOME` is a folder of this run, with a PostgreSQL that only
a unix socket in it leads to, and both go away at the end.
"""

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from deploy import engine, environment, frontend, packages, postgresql
from deploy.clusters import LOSABLE, MEGABYTE, Cluster
from deploy.environment import ADMIN
from deploy.processes import CHECKOUT, PYTHON
from deploy.progress import Progress, SetupError, main
from images.build import ImageError, ensure_stand_in
from portal.commands import run

HOMES, PREFIX = Path("/var/tmp"), "berth-test-"
UNIT = "tests/unit"
USUAL = (UNIT, "tests/engine", "tests/contract", "tests/e2e")
FAULTS = "tests/faults"
SPARE_ENGINE = ("-m", "not restarts_engine")  # whoever else uses it
SAMPLE = 3  # faults in a usual run; all of them come round in turn
NO_TESTS = 5  # pytest's exit code where it found none
SECONDS_A_DAY = 86_400


def test() -> int:
    arguments = sys.argv[1:]
    progress = Progress()
    remove_leftovers()
    home = HOMES / f"{PREFIX}{secrets.token_hex(3)}"
    home.mkdir(mode=0o755)
    (home / "pid").write_text(str(os.getpid()))
    try:
        values = prepare(home, progress)
        chosen = choose(arguments, values)
        if "--all" in arguments:
            values |= {"BERTH_TEST_ALL": "1"}  # for tests that else choose among what they try
        return worst([pytest(part, values, progress) for part in parts(chosen)])
    finally:
        remove(home)


def pytest(arguments: Sequence[str], values: environment.Environment, progress: Progress) -> int:
    """Its exit code."""
    progress.say(f"pytest {' '.join(arguments)}")
    return subprocess.run([str(PYTHON), "-m", "pytest", *arguments], cwd=CHECKOUT, env=values, check=False).returncode


def prepare(home: Path, progress: Progress) -> dict[str, str]:
    """Packages, engine, front-end files, stand-in image, PostgreSQL. The environment for pytest. Raises SetupError."""
    url = os.environ.get("BERTH_DOCKER_URL", engine.DEFAULT_URL)
    with progress.step("packages"):
        packages.ensure((*packages.TO_RUN, *packages.TO_TEST), progress)
    with progress.step("Docker Engine"):
        engine.ensure(url, progress)
    with progress.step("front-end files"):
        frontend.ensure(CHECKOUT)
    with progress.step("PostgreSQL for the tests"):
        values = environment.fresh(engine.taken_subnets(url), ca_file=environment.ca_file(os.environ))
        values |= {"BERTH_HOME": str(home), "BERTH_DATABASE_URL": start_postgresql(home, values, progress)}
    with progress.step("stand-in for Odoo"):
        try:
            ensure_stand_in("18.0", progress.stream("Building"))
        except ImageError as error:
            raise SetupError(str(error), left="No test was run.", todo="see the output above.") from error
    given = {name: value for name, value in os.environ.items() if not name.startswith("BERTH_")}
    wished = ("BERTH_ODOO_IMAGE", "BERTH_QUEUE_JOB")  # for the contract tests
    return given | values | {name: os.environ[name] for name in wished if name in os.environ}


def start_postgresql(home: Path, values: environment.Environment, progress: Progress) -> str:
    """Its URL. A unix socket, because unit tests may open no other."""
    cluster = tests_cluster(home, values["BERTH_INSTALLATION"])
    programs = packages.postgresql_bin(os.environ)
    postgresql.create(programs, cluster, values["BERTH_PG_ADMIN_PASSWORD"])
    postgresql.bring_up(programs, cluster, progress)
    host = str(cluster.sockets).replace("/", "%2F")
    return f"postgresql://{ADMIN}:{values['BERTH_PG_ADMIN_PASSWORD']}@{host}:{cluster.port}/postgres"


def tests_cluster(home: Path, installation: str) -> Cluster:
    return Cluster(
        name="tests",
        installation=installation,
        data=home / "postgresql",
        sockets=home / "sockets",
        port=5432,
        listen=(),
        tenants=None,
        max_connections=60,
        shared_buffers=64 * MEGABYTE,
        settings=LOSABLE,
    )


def remove(home: Path) -> None:
    cluster = tests_cluster(home, "")
    if postgresql.is_running(cluster):
        postgresql.pg_ctl(
            packages.postgresql_bin({"BERTH_ALLOW_OLD_POSTGRESQL": "1"}), cluster, "stop", "-m", "immediate"
        )
    shutil.rmtree(home, ignore_errors=True)


def remove_leftovers() -> None:
    """Homes of runs that were killed."""
    for home in HOMES.glob(f"{PREFIX}??????"):
        pid = home / "pid"
        if not pid.exists() or not Path(f"/proc/{pid.read_text()}").exists():
            remove(home)


def choose(arguments: Sequence[str], values: environment.Environment) -> list[str]:
    """pytest's arguments: what was asked for, or the usual tests with a sample of the faults.

    `--all` means everything there is in what was named, or everything at all. Without it the engine is not restarted,
    unless a `-m` says so: pytest heeds the last one.
    """
    if "--all" in arguments:
        asked = [argument for argument in arguments if argument != "--all"]
        return asked if any(names_tests(argument) for argument in asked) else [*asked, *USUAL, FAULTS]
    if arguments:
        return [*SPARE_ENGINE, *arguments]
    return [*USUAL, *sample(collected(FAULTS, values), day=int(time.time()) // SECONDS_A_DAY)]


def parts(chosen: Sequence[str]) -> list[list[str]]:
    """The runs of pytest that it takes: unit tests, beside one another where all are asked for, then the others."""
    if UNIT not in chosen:
        return [list(chosen)]
    options = [argument for argument in chosen if not names_tests(argument)]
    others = [argument for argument in chosen if argument != UNIT]
    beside = ["-n", str(os.cpu_count() or 1), "--dist", "worksteal", UNIT, *options]  # else one is alone for minutes
    return [beside, others] if any(names_tests(argument) for argument in others) else [beside]


def worst(codes: Sequence[int]) -> int:
    """Of pytest's exit codes; one that a signal ended has a negative one. A part may have nothing of what was asked."""
    return next((code for code in codes if code not in (0, NO_TESTS)), min(codes))


def names_tests(argument: str) -> bool:
    """Whether it is a path, or `path::test`."""
    return not argument.startswith("-") and (CHECKOUT / argument.partition("::")[0]).exists()


def collected(folder: str, values: environment.Environment) -> list[str]:
    """The tests in it that a usual run may choose from."""
    listing = run(
        [str(PYTHON), "-m", "pytest", "--collect-only", "-q", *SPARE_ENGINE, folder],
        timeout=120,
        cwd=CHECKOUT,
        env=values,
        check=False,
    )
    return [line for line in listing.output.splitlines() if line.startswith(folder) and "::" in line]


def sample(faults: Sequence[str], *, day: int, size: int = SAMPLE) -> list[str]:
    """`size` of them; the next day the next ones, beginning again at the end."""
    first = day * size
    return [faults[(first + number) % len(faults)] for number in range(min(size, len(faults)))]


if __name__ == "__main__":
    main(test)
