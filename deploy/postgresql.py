"""Makes, starts, repairs and stops the private PostgreSQL clusters."""

import os
import pwd
import shutil
from pathlib import Path
from urllib.parse import quote

from deploy.clusters import Cluster, access, configuration, plan, socket_folder
from deploy.daemons import runs, wait_until
from deploy.environment import ADMIN, CLUSTER_URLS, PORTAL_ROLE, Environment, private_clusters
from deploy.packages import SYSTEM_PATH, postgresql_bin
from deploy.progress import Progress, SetupError
from hosting.engines.postgres import DatabaseError, Server
from portal.commands import CommandError, run

OS_USER = "postgres"
PORTAL_CONNECTIONS = 80
BACKENDS_END = 30.0  # seconds


def ensure(home: Path, values: Environment, progress: Progress) -> None:
    """Make, start and repair the private clusters; look at existing servers in place of others. Raises SetupError."""
    for name in sorted(CLUSTER_URLS.keys() - set(private_clusters(values))):
        _look_at(name, values, progress)
    if not private_clusters(values):
        return
    programs = postgresql_bin(values)
    clusters = plan(home / "pg", values, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for cluster in clusters:
        refuse_to_forget(home, cluster)
    for cluster in clusters:
        if not cluster.data.exists():
            progress.say(f"making the cluster {cluster.name} in {cluster.data}")
            create(programs, cluster, values["BERTH_PG_ADMIN_PASSWORD"])
        bring_up(programs, cluster, progress)
        server = Server(admin_url(cluster, values))
        server.close_to_public()
        if cluster.name == "portal":
            server.create_role(PORTAL_ROLE, values["BERTH_PG_PORTAL_PASSWORD"], PORTAL_CONNECTIONS)
            server.create_database(PORTAL_ROLE, PORTAL_ROLE)


def refuse_to_forget(home: Path, cluster: Cluster) -> None:
    """An empty cluster of the portal would know nothing of the instances that are there. Raises SetupError."""
    folders = sorted(path.name for path in (home / "instances").glob("i[0-9]*"))
    if cluster.name != "portal" or cluster.data.exists() or not folders:
        return
    more = f" and {len(folders) - 3} more" if len(folders) > 3 else ""
    raise SetupError(
        f"The portal's database is missing: there is no {cluster.data}, yet {home / 'instances'} has the files of"
        f" {', '.join(folders[:3])}{more}.",
        left="No cluster was made or started; what is there is as it was.",
        todo=f"mount or put back {cluster.data}, then run bin/up again; where it is lost, get everything back into an"
        ' empty BERTH_HOME with bin/berth restore-self, or see docs/operate.md, "Rows that are missing".',
    )


def empty_portal(home: Path, values: Environment) -> None:
    """Make the portal's database anew where its cluster is ours; an existing server's must be empty already."""
    for cluster in plan(home / "pg", values, memory=0):
        if cluster.name == "portal":
            server = Server(admin_url(cluster, values))
            server.drop_database(PORTAL_ROLE)
            server.create_database(PORTAL_ROLE, PORTAL_ROLE)


def admin_url(cluster: Cluster, values: Environment) -> str:
    return f"postgresql://{ADMIN}:{quote(values['BERTH_PG_ADMIN_PASSWORD'], safe='')}@127.0.0.1:{cluster.port}/postgres"


def stop(home: Path, values: Environment) -> None:
    """Stop those of the private clusters that run, ending their connections. Raises CommandError."""
    for cluster in plan(home / "pg", values, memory=0):
        if is_running(cluster):
            pg_ctl(postgresql_bin({"BERTH_ALLOW_OLD_POSTGRESQL": "1"}), cluster, "stop", "-m", "fast")


def remove_sockets(values: Environment) -> None:
    shutil.rmtree(socket_folder(values["BERTH_INSTALLATION"]), ignore_errors=True)


def is_running(cluster: Cluster) -> bool:
    return (
        runs(cluster.data / "postmaster.pid", lambda process: (process / "cwd").readlink() == cluster.data) is not None
    )


def _as_postgres(argv: list[str], *, timeout: float) -> None:
    """Run as the user `postgres`, with none of our secrets in its environment. Raises CommandError."""
    argv = ["setpriv", f"--reuid={OS_USER}", f"--regid={OS_USER}", "--init-groups", "--", *argv]
    environment = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"}
    run(argv, timeout=timeout, env=environment, cwd=Path("/"))


def pg_ctl(programs: Path, cluster: Cluster, *arguments: str) -> None:
    """Raises CommandError. Recovery after a crash may take its time, hence the long wait (seconds)."""
    command = [str(programs / "pg_ctl"), "--silent", "--wait", "--timeout=600", "-D", str(cluster.data), *arguments]
    _as_postgres(command, timeout=610)


def restart(programs: Path, cluster: Cluster, *, timeout: int) -> None:
    """Restart a cluster that runs, in one call, which goes on when we are killed. `timeout` is in seconds.

    Raises SetupError.
    """
    if not is_running(cluster):
        return _start(programs, cluster)
    log = str(cluster.data / "start.log")
    command = [str(programs / "pg_ctl"), "restart", "--silent", "--wait", f"--timeout={timeout}", "-m", "fast"]
    try:
        _as_postgres([*command, "-D", str(cluster.data), "-l", log], timeout=timeout + 10)
    except CommandError as error:
        raise SetupError(
            f"The cluster {cluster.name} did not come back: {error}",
            left=f"Its data in {cluster.data} is untouched.",
            todo=f"run bin/up, which starts it; see {cluster.data}/log.",
        ) from error


def create(programs: Path, cluster: Cluster, password: str) -> None:
    """Made beside its place and renamed, so that a set-up that dies here leaves no half cluster."""
    new = cluster.data.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    _give_to_postgres(new)
    secret = new.with_suffix(".password")
    secret.unlink(missing_ok=True)
    secret.touch(mode=0o600)
    secret.write_text(password)
    _give_to_postgres(secret)
    command = [str(programs / "initdb"), "-D", str(new), f"--username={ADMIN}", f"--pwfile={secret}", "--no-sync"]
    command += ["--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8"]
    try:
        _as_postgres(command, timeout=300)
    finally:
        secret.unlink()
    _write_configuration(cluster, new)
    os.sync()
    new.rename(cluster.data)


def bring_up(programs: Path, cluster: Cluster, progress: Progress) -> None:
    """Bring a cluster up with the configuration that it should have. Raises SetupError."""
    cluster.sockets.mkdir(mode=0o750, exist_ok=True)
    _give_to_postgres(cluster.sockets)
    changed = _write_configuration(cluster, cluster.data)
    if not is_running(cluster):
        _start(programs, cluster)
    elif changed:
        pg_ctl(programs, cluster, "reload")
    # A server that was started before the network was there, or on another port, doesn't listen where it should.
    deaf = [address for address in cluster.listen if not _listens(programs, cluster, address)]
    if deaf:
        progress.say(
            f"restarting the cluster {cluster.name}: it doesn't listen on {', '.join(deaf)} port {cluster.port}"
        )
        pg_ctl(programs, cluster, "stop", "-m", "fast")
        _start(programs, cluster)


def _start(programs: Path, cluster: Cluster) -> None:
    """Raises SetupError."""
    log = cluster.data / "start.log"
    # Backends of a server that was killed end by themselves; two servers on the same data would destroy it.
    if not wait_until(lambda: not _processes_in(cluster.data), BACKENDS_END):
        raise SetupError(
            f"Processes of an earlier server still use {cluster.data}: {_processes_in(cluster.data)}.",
            left="The cluster was not started; its data is untouched.",
            todo="kill these processes, then run bin/up again.",
        )
    # Left from before the machine stopped. PostgreSQL would take the number in it for a server of its own if, by
    # chance, another process of its user has that number now.
    for stale in (cluster.data / "postmaster.pid", cluster.sockets / f".s.PGSQL.{cluster.port}.lock"):
        stale.unlink(missing_ok=True)
    try:
        pg_ctl(programs, cluster, "start", "-l", str(log))
    except CommandError as error:
        logs = sorted([log, *(cluster.data / "log").glob("*.log")], key=lambda path: path.stat().st_mtime)
        told = logs[-1].read_text(errors="replace")[-1500:]
        raise SetupError(
            f"The cluster {cluster.name} (port {cluster.port}) did not start:\n{told}",
            left=f"Its data in {cluster.data} is untouched.",
            todo=f"see {cluster.data}/log for more; where the port is in use, "
            f"set {CLUSTER_URLS[cluster.name].port} to a free one and run bin/up again.",
        ) from error


def _processes_in(data: Path) -> list[int]:
    """All processes of a server work in its data folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == data:
                found.append(int(process.name))
        except OSError:
            continue  # it has ended
    return found


def _listens(programs: Path, cluster: Cluster, address: str) -> bool:
    asked = [str(programs / "pg_isready"), "--quiet", "--host", address, "--port", str(cluster.port), "--timeout=5"]
    return run(asked, timeout=10, check=False).exit_code == 0


def _write_configuration(cluster: Cluster, data: Path) -> bool:
    """Whether anything was different."""
    changed = False
    for name, content in {"postgresql.conf": configuration(cluster), "pg_hba.conf": access(cluster)}.items():
        file = data / name
        if file.read_text() != content:
            file.write_text(content)
            changed = True
    return changed


def _give_to_postgres(path: Path) -> None:
    try:
        user = pwd.getpwnam(OS_USER)
    except KeyError as error:
        raise SetupError(
            f"This machine has no user {OS_USER}; the postgresql package makes it.",
            left="No cluster was made.",
            todo="apt-get install postgresql",
        ) from error
    os.chown(path, user.pw_uid, user.pw_gid)


def _look_at(name: str, values: Environment, progress: Progress) -> None:
    """Say what an existing server is. Raises SetupError where it can't be used."""
    url = CLUSTER_URLS[name]
    try:
        version = Server(values[url.variable]).version()
    except DatabaseError as error:
        raise SetupError(
            f"The server of {url.variable} can't be used: {error}",
            left="No cluster was started.",
            todo=f"mend {url.variable}.",
        ) from error
    progress.say(f"{name}: using the existing PostgreSQL {version} of {url.variable}")
