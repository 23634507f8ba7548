"""bin/down: stops what bin/up started, and with --purge removes what it made."""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
from docker.errors import DockerException
from docker.models.containers import Container

from deploy import engine, environment, homes, networks, postgresql, router, supervisor, systemd, webuser
from deploy.environment import Environment
from deploy.progress import Progress, SetupError, main
from hosting.engines.docker import EngineError
from hosting.engines.firewall import FirewallError

CONTAINER_STOP = 30  # seconds that a container gets to finish its requests
AT_ONCE = 8


def down() -> int:
    arguments = parser().parse_args()
    home, progress = homes.find(), Progress()
    values = environment.load(home)
    if arguments.purge and not (arguments.yes or confirmed(home, values)):
        print("Nothing was changed.")
        return 1
    with homes.alone(home):
        with progress.step("Berth's processes"):
            supervisor.shutdown(home)
        if not arguments.keep_hosted:
            stop_hosted(home, values, progress)
    if arguments.purge:
        purge(home, values, progress)
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="bin/down", description="Stops Berth and the hosted databases.")
    choice = made.add_mutually_exclusive_group()
    choice.add_argument("--keep-hosted", action="store_true", help="stop only Berth's own processes; databases go on")
    choice.add_argument("--purge", action="store_true", help="then remove all that bin/up made, data included")
    made.add_argument("--yes", action="store_true", help="purge without asking")
    return made


def confirmed(home: Path, values: Environment) -> bool:
    installation = values["BERTH_INSTALLATION"]
    print(f"This deletes the installation {installation}: {home} with all databases, files and backups in it.")
    if not sys.stdin.isatty():
        print("Nobody is here to confirm it; a script says so by --yes.")
        return False
    return input(f"Type {installation} to go on: ").strip() == installation


def stop_hosted(home: Path, values: Environment, progress: Progress) -> None:
    with progress.step("router"):
        router.shutdown(home)
    with progress.step("hosted databases"):
        each_container(values, lambda container: container.stop(timeout=CONTAINER_STOP))
    with progress.step("PostgreSQL"):
        postgresql.stop(home, values)


def purge(home: Path, values: Environment, progress: Progress) -> None:
    url = docker_url(values)
    with progress.step("units of systemd"):
        systemd.remove(values)
    try:
        with progress.step("containers, images, networks and firewall rules"):
            each_container(values, lambda container: container.remove(force=True, v=True))
            remove_images(values)
            networks.remove(values, url)
    except (EngineError, FirewallError, DockerException) as error:
        raise SetupError(
            f"Not all could be removed: {error}", left=f"{home} is still there.", todo="run bin/down --purge again."
        ) from error
    with progress.step(f"{home}, sockets, and the user {webuser.name(values)}"):
        webuser.remove(values)
        postgresql.remove_sockets(values)
        homes.remove(homes.given())
    progress.say(
        "left as they are: packages, the engine, the images that all installations share (docker image ls berth-*),"
    )
    progress.say("and in the checkout .venv, node_modules and static/vendor")


def docker_url(values: Environment) -> str:
    return values.get("BERTH_DOCKER_URL", engine.DEFAULT_URL)


def each_container(values: Environment, action: Callable[[Container], object]) -> None:
    """All of this installation's, several at a time. An engine that doesn't run has none that run."""
    if engine.info(docker_url(values)) is None:
        return
    client = docker.DockerClient(base_url=docker_url(values), version=engine.API_VERSION, timeout=CONTAINER_STOP + 60)
    found = client.containers.list(all=True, filters={"label": f"berth.installation={values['BERTH_INSTALLATION']}"})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(action, found))


def remove_images(values: Environment) -> None:
    """Those named by the installation; what they are built on may be another's too."""
    client = docker.DockerClient(base_url=docker_url(values), version=engine.API_VERSION)
    own = f"berth-{values['BERTH_INSTALLATION']}/"
    for image in client.images.list():
        for tag in image.tags:
            if tag.startswith(own):
                client.images.remove(tag, force=True)


if __name__ == "__main__":
    main(down)
