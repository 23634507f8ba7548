"""Commit statuses on GitHub: what the build of a commit is doing, beside the commit itself."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db.models import Q

from builds.models import Build
from portal import clock
from portal.models import Result, State
from projects import providers
from projects.connect import github
from projects.providers import CommitState

log = logging.getLogger(__name__)

CONTEXTS = {"production": "production", "staging": "staging", "development": "dev"}
DESCRIPTION = 140  # characters that GitHub takes
RECENT = timedelta(days=1)


def send(build: Build) -> None:
    """Tell GitHub what became of the build, unless it knows. A refusal hurts nobody: the reconciler tries again."""
    try:
        _send(build)
    except providers.ProviderError as error:
        log.warning("commit status of build %s: %s", build.pk, error)


def _send(build: Build) -> None:
    """Raises ProviderError."""
    build.refresh_from_db()
    state = _state(build)
    if build.status_sent == state or not build.project.token:
        return
    github(build.project.token).set_commit_status(
        build.project.repository,
        build.commit,
        state=state,
        context=f"ci/berth ({CONTEXTS[build.stage]})",
        description=(build.verdict or f"Build {build.number} is going on")[:DESCRIPTION],
        target_url=f"{settings.BERTH_PORTAL_URL}/{build.project.slug}/builds/{build.number}/",
    )
    Build.objects.filter(pk=build.pk).update(status_sent=state)


def send_missing() -> None:
    """Statuses of the last day that could not be sent when it was time.

    Much waits behind this: a project that is refused once isn't tried again in this round, and none is while GitHub
    can't be reached.
    """
    wrong = Q(state=State.DONE, status_sent__in=["", "pending"]) | Q(state=State.RUNNING, status_sent="")
    recent = Build.objects.filter(wrong, started_at__gt=clock.now() - RECENT).exclude(project__token="")
    refused: set[int] = set()
    for build in recent.order_by("-pk"):
        try:
            if build.project_id not in refused:
                _send(build)
        except providers.Unreachable as error:
            log.warning("commit statuses wait: %s", error)
            return
        except providers.ProviderError as error:
            log.warning("commit status of build %s: %s", build.pk, error)
            refused.add(build.project_id)


def _state(build: Build) -> CommitState:
    if build.state != State.DONE:
        return "pending"
    return "success" if build.result in {Result.SUCCESS, Result.WARNING} else "failure"
