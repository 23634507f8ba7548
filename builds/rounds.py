"""What is done again and again: mending, polling, cleaning up. The agent rings for each round, on the one
worker of the queue `background`, so that no two go on at once."""

import logging
from datetime import timedelta

from builds import deliveries, statuses
from builds.models import Build
from hosting import instances, machines
from hosting.engines.docker import EngineError
from hosting.models import Host, Instance, Pool
from hosting.reconcile import reconcile
from portal import clock
from portal.models import State
from projects import providers
from projects.connect import github
from projects.git import GitError, validate_branch
from projects.models import Branch, Project, Stage

log = logging.getLogger(__name__)

DEVELOPMENT_KEPT = timedelta(days=3)


def mend() -> None:
    """Every half minute: rows and reality agree, and nothing that was stored is forgotten."""
    reconcile()
    deliveries.look_into_forgotten()
    statuses.send_missing()


def poll() -> None:
    """Every two minutes: pushes whose delivery never came are found by asking."""
    for project in Project.objects.exclude(token=""):
        try:
            poll_project(project)
        except providers.ProviderError as error:
            log.warning("polling %s: %s", project.slug, error)


def poll_project(project: Project) -> None:
    """Compare the provider's branches with ours. What differs is a push that we missed."""
    heads = {head.name: head.sha for head in github(project.token).branches(project.repository)}
    ours = {branch.name: branch.head for branch in project.branches.alive()}
    for name, sha in heads.items():
        if ours.get(name) != sha:
            try:
                validate_branch(name)
            except GitError:
                continue
            log.info("polling %s: %s", project.slug, deliveries.move_branch(project, name, sha))
    for name in ours.keys() - heads.keys():
        deliveries.delete_branch(project, name)


def clean_up() -> None:
    """Every hour: databases that nobody needs any more go, with the images of their builds.

    Development builds stay three days, and of every branch the newest; of staging the newest. Production never goes.
    """
    for instance in disposable():
        log.info("clean-up: removing %s (%s)", instance.name, instance.hostname)
        instances.remove(instance)
    _remove_images()


def disposable() -> list[Instance]:
    ready = Instance.objects.filter(state=Instance.State.READY).exclude(stage=Stage.PRODUCTION)
    serving = Branch.objects.alive().exclude(instance=None).values("instance")
    old = ready.exclude(pk__in=serving)
    fresh = clock.now() - DEVELOPMENT_KEPT
    of_deleted = Build.objects.exclude(branch__deleted_at=None).values("instance")
    return [
        i for i in old if i.stage == Stage.STAGING or i.created_at < fresh or of_deleted.filter(instance=i).exists()
    ]


def _remove_images() -> None:
    """Images that no pool uses, and that no build is about to use."""
    used = set(Pool.objects.exclude(state=Pool.State.GONE).values_list("image_id", flat=True))
    used |= set(Build.objects.exclude(state=State.DONE).values_list("image_id", flat=True))
    for host in Host.objects.all():
        machines.engine(host).prune_builds(older_than_s=DEVELOPMENT_KEPT.total_seconds())
        for image in machines.engine(host).images():
            if image.id not in used:
                try:
                    machines.engine(host).remove_image(image.id)
                except EngineError as error:
                    log.info("clean-up: %s", error)
