"""Commit statuses on GitHub: what the build of a commit is doing, beside the commit itself."""

import logging

from django.conf import settings
from django.db.models import Q

from builds.models import Build
from portal.models import Result, State
from projects import providers
from projects.connect import github
from projects.providers import CommitState

log = logging.getLogger(__name__)

CONTEXTS = {"production": "production", "staging": "staging", "development": "dev"}
DESCRIPTION = 140  # characters that GitHub takes


def send(build: Build) -> None:
    """Tell GitHub what became of the build, unless it knows. A refusal hurts nobody: the reconciler tries again."""
    build.refresh_from_db()
    state = _state(build)
    if build.status_sent == state or not build.project.token:
        return
    try:
        github(build.project.token).set_commit_status(
            build.project.repository,
            build.commit,
            state=state,
            context=f"ci/berth ({CONTEXTS[build.stage]})",
            description=(build.verdict or f"Build {build.number} is going on")[:DESCRIPTION],
            target_url=f"{settings.BERTH_PORTAL_URL}/{build.project.slug}/builds/{build.number}/",
        )
    except providers.ProviderError as error:
        log.warning("commit status of build %s: %s", build.pk, error)
        return
    Build.objects.filter(pk=build.pk).update(status_sent=state)


def send_missing() -> int:
    """Statuses that could not be sent when it was time, of the newest builds. Returns how many were tried."""
    wrong = Q(state=State.DONE, status_sent__in=["", "pending"]) | Q(state=State.RUNNING, status_sent="")
    missing = list(Build.objects.filter(wrong).exclude(started_at=None).order_by("-pk")[:50])
    for build in missing:
        send(build)
    return len(missing)


def _state(build: Build) -> CommitState:
    if build.state != State.DONE:
        return "pending"
    return "success" if build.result in {Result.SUCCESS, Result.WARNING} else "failure"
