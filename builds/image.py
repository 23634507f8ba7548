"""The image of a build: the Odoo image, the repository's requirements, its addons."""

import logging
from pathlib import Path

from django.conf import settings

from builds import patience, piplog
from builds.dockerfile import dockerfile, write_context
from builds.inspect import Inspection
from builds.models import Build
from hosting import machines
from hosting.engines.docker import BuildFailed, TimedOut
from hosting.models import Host, Runtime
from hosting.odoo.floors import MIB
from portal import attempts
from portal.models import Command, State, Step
from portal.stories import ProjectError
from portal.telling import Telling

log = logging.getLogger(__name__)


def make(build: Build, runtime: Runtime, folder: Path, telling: Telling) -> str:
    """Write the context, let the engine build it, and return the image's ID.

    A network that fails pip, or an engine that is away for a moment, is tried again. Raises ProjectError.
    """
    found = Inspection.from_json(build.inspection)
    ca_file = Path(settings.BERTH_EXTRA_CA_FILE) if settings.BERTH_EXTRA_CA_FILE else None
    context, requirements = folder / "context", bool(found.requirements_files)
    write_context(folder / "tree", found, context, commit=build.commit, build=build.name, extra_ca_file=ca_file)
    tag = f"berth-{settings.BERTH_INSTALLATION}/p{build.project_id}:{build.name}"

    def work(_row: Command, seconds: float) -> str:
        return machines.engine(build.project.host).build(
            context,
            dockerfile(runtime.image_id, requirements=requirements, extra_ca=ca_file is not None),
            tag=tag,
            labels={"berth.commit": build.commit, "berth.build": build.name},
            memory_bytes=settings.BERTH_BUILD_MEMORY_MB * MIB,
            cpus=float(settings.BERTH_POOL_CPUS),
            network=machines.network(production=False),
            timeout=min(seconds, settings.BERTH_BUILD_SECONDS),
            output=telling.log,
            keep_going=telling.keep_going,
        )

    size = sum(path.lstat().st_size for path in context.rglob("*"))
    timeout = patience.image_seconds(size, requirements=requirements)
    argv = ["docker", "build", "--tag", tag, "."]
    try:
        return attempts.command(telling, argv, work, timeout=timeout, passes=passes)
    except BuildFailed as error:
        raise _refusal(error) from error
    except TimedOut as error:
        raise ProjectError(
            "Building the image took too long",
            f"{error} What served before goes on serving.",
            "Mostly a requirement is compiled from source: ask for a version that has a wheel, and push again. Where "
            "it needs the time, the operator can raise BERTH_BUILD_SECONDS.",
        ) from error


def clear_builders(host: Host) -> None:
    """Remove the containers of builds that died together with the engine. Raises EngineError.

    They are looked for first, so that those of a build that begins now are none of them.
    """
    engine = machines.engine(host)
    left = engine.builders()
    if left and not Step.objects.filter(name="build_image", state=State.RUNNING).exists():
        for name in left:
            log.warning("removing container %s, whose build has ended", name)
            engine.remove(name)


def passes(error: BaseException) -> bool:
    """Whether a failed image build may do better in a moment."""
    return attempts.transient(error) or (isinstance(error, BuildFailed) and piplog.network_failed(error.tail))


def _refusal(error: BuildFailed) -> ProjectError:
    """What to change, as far as pip's words tell."""
    detail = f"{error}\n\n{error.tail}"
    if piplog.network_failed(error.tail):
        return ProjectError(
            f"The image could not be built: {attempts.TRIES} times the network failed",
            detail,
            "Retry the build in a while. If only one line of a requirements file is concerned, check its address.",
        )
    what = piplog.refused(error.tail)
    title = "The image could not be built" + (f": {what} can't be installed" if what else "")
    line = f"the line {what} of" if what else "what it names in"
    return ProjectError(title, detail, f"Correct {line} a requirements file, then push again.")
