"""What only makes builds quicker: layers, images, Git mirrors, databases to be copied. Old ones go each hour, and more
where the disk is full.
"""

import logging
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

from django.conf import settings

from builds import revisions
from builds.models import Build
from hosting import machines, restored, runtimes, templates
from hosting.engines.docker import EngineError
from hosting.models import Host, Pool
from hosting.reconcile import FAULTS
from portal import clock
from portal.models import Result, State
from projects.models import Project, Stage

log = logging.getLogger(__name__)

IMAGES_KEPT = 10  # of each project's production: those of its newest builds, which can be deployed again
LAYERS_KEPT = timedelta(days=3)  # that no image uses
YOUNG = timedelta(hours=2)  # longer than a build takes: one that goes on still needs its layers
UNUSED = timedelta(days=30)  # without a build, after which a mirror goes where disk is short: it can be fetched again


def tidy(host: Host) -> None:
    """Every hour. Raises EngineError."""
    machines.engine(host).prune_builds(older_than_s=LAYERS_KEPT.total_seconds())
    remove_images(host)


def give_up(host: Host, *, enough: Callable[[], bool]) -> Iterator[str]:
    """Remove caches, those that cost least to make again first, until there is room enough. Says what went.

    Nothing that serves, or that somebody may go back to, is among them. Raises EngineError.
    """
    for part in (_layers, _images, _runtimes, _mirrors, _databases):
        if enough():
            return
        yield from part(host)


def _layers(host: Host) -> Iterator[str]:
    gone = machines.engine(host).prune_builds(older_than_s=YOUNG.total_seconds())
    if gone:
        yield f"{len(gone)} layers and containers that builds left were removed."


def _images(host: Host) -> Iterator[str]:
    gone = remove_images(host)
    if gone:
        yield f"{gone} images that nobody uses were removed."


def _runtimes(_host: Host) -> Iterator[str]:
    yield from let_runtimes_go()


def _mirrors(host: Host) -> Iterator[str]:
    """Of projects that nobody builds. One that is missing is made again with the next build."""
    lately = Build.objects.filter(created_at__gt=clock.now() - UNUSED).values("project")
    building = Build.objects.exclude(state=State.DONE).values("project")
    for project in Project.objects.filter(host=host).exclude(pk__in=lately).exclude(pk__in=building).order_by("pk"):
        mirror = Path(settings.BERTH_HOME) / "git" / f"p{project.pk}.git"
        if mirror.exists():
            shutil.rmtree(mirror, ignore_errors=True)
            yield f"The Git mirror of {project} was removed: nobody built it for {UNUSED.days} days."


def _databases(_host: Host) -> Iterator[str]:
    yield from let_copies_go()


def let_copies_go() -> Iterator[str]:
    """Remove databases that are there to be copied, and that nobody will copy any more; all, where disk is scarce."""
    going = [(partial(restored.let_go, each), f"the proven restore of {each}") for each in restored.outdated()]
    going += [(partial(templates.let_go, each), str(each)) for each in templates.outdated()]
    for let_go, what in going:
        try:
            let_go()
            yield f"{what[0].upper()}{what[1:]} was let go."
        except FAULTS as error:
            log.warning("letting %s go, which is tried again: %s", what, error)


def let_runtimes_go() -> Iterator[str]:
    """Let the engine remove frozen images of Odoo that nobody needs any more."""
    for runtime in runtimes.outdated(revisions.needed()):
        try:
            runtimes.let_go(runtime)
            yield f"{runtime} was let go: {runtime.name}."
        except FAULTS as error:
            log.warning("letting %s go, which is tried again: %s", runtime, error)


def remove_images(host: Host) -> int:
    """Images that no pool uses, no build is about to use, and nobody may want to deploy again.

    What is used is read after what there is. Returns how many went.
    """
    engine, gone = machines.engine(host), 0
    images = engine.images()
    used = set(Pool.objects.exclude(state=Pool.State.GONE).values_list("image_id", flat=True)) | _to_keep(host)
    building = {build.name for build in Build.objects.exclude(state=State.DONE)}
    for image in images:
        if image.id not in used and image.labels.get("berth.build") not in building:
            try:
                engine.remove_image(image.id)
                gone += 1
            except EngineError as error:
                log.info("clean-up: %s", error)
    return gone


def _to_keep(host: Host) -> set[str]:
    """Images of each project's newest production builds that were deployed, and of builds that go on."""
    going_on = Build.objects.exclude(state=State.DONE).values_list("image_id", "image_of__image_id")
    kept = {image_id for pair in going_on for image_id in pair if image_id}
    for project in Project.objects.filter(host=host):
        production = Build.objects.filter(project=project, stage=Stage.PRODUCTION).exclude(image_id="")
        deployed = production.exclude(pool=None).exclude(result__in=(Result.FAILURE, Result.CANCELLED))
        kept |= set(deployed.order_by("-pk").values_list("image_id", flat=True)[:IMAGES_KEPT])
    return kept
