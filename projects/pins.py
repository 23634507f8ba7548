"""Branches that stay on one frozen Odoo for a while: what they can choose, the notice before it ends, and its end."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from hosting import runtimes
from hosting.models import Runtime
from portal import audit, clock, hours
from portal.rounds import alone
from projects import notices, outgoing
from projects.access import Tool
from projects.models import Branch, Project, Stage
from projects.news import Event, News

PINNED = timedelta(days=90)
TOLD_AT = (7, 1)  # days before the end


def choices(branch: Branch) -> QuerySet[Runtime]:
    """Those of the last weeks, and the one that it has: a pin that ended can't be renewed for ever."""
    project = branch.project
    young = Q(frozen_at__gt=clock.now() - runtimes.KEPT)
    return runtimes.of(project.host, project.series).filter(young | Q(pk=branch.runtime_id))


@alone
def look_after() -> None:
    """Every hour, while the clock is steady: tell members of pins that end soon, and end them."""
    if hours.to_steady():
        return
    pinned = Branch.objects.alive().exclude(runtime=None).exclude(pinned_until=None)
    for branch in pinned.filter(pinned_until__lt=clock.now() + timedelta(days=TOLD_AT[0])).select_related("project"):
        if branch.pinned_until is not None and branch.pinned_until <= clock.now():
            _end(branch)
        elif is_due(branch):
            _tell(branch)


def is_due(branch: Branch) -> bool:
    """Whether the end has come near, and nobody was told since."""
    assert branch.pinned_until is not None
    near = [branch.pinned_until - timedelta(days=days) for days in TOLD_AT]
    passed = [moment for moment in near if moment <= clock.now()]
    return bool(passed) and (branch.pin_told_at is None or branch.pin_told_at < max(passed))


def end_all() -> None:
    """The machine that had those revisions is gone."""
    for branch in Branch.objects.alive().exclude(runtime=None).select_related("project", "runtime"):
        _end(branch)


@transaction.atomic
def _tell(branch: Branch) -> None:
    told = Branch.objects.filter(pk=branch.pk, pin_told_at=branch.pin_told_at, pinned_until=branch.pinned_until)
    if told.update(pin_told_at=clock.now()):
        assert branch.pinned_until is not None
        _announce(branch, f"{branch} leaves {branch.runtime} on {branch.pinned_until:%-d %B %Y}", ended=False)


@transaction.atomic
def _end(branch: Branch) -> None:
    over = Branch.objects.filter(pk=branch.pk, pinned_until=branch.pinned_until)
    if over.update(runtime=None, pinned_until=None):
        name, runtime = branch.name, str(branch.runtime)
        audit.record(by=None, verb="end pin of Odoo", object=name, project_id=branch.project_id, before=runtime)
        _announce(branch, f"{branch} left {runtime}: its next build takes the newest one", ended=True)


def _announce(branch: Branch, title: str, *, ended: bool) -> None:
    project: Project = branch.project
    until = branch.pinned_until.isoformat() if branch.pinned_until else None
    facts = {"branch": branch.name, "stage": branch.stage, "runtime": str(branch.runtime), "until": until}
    news = News(
        event=Event.PIN_ENDS,
        title=title,
        path=f"/{project.slug}/branches/{branch.pk}/settings/",
        tool=Tool.BRANCH_SETTINGS,
        stage=Stage(branch.stage),
        facts={"pin": facts | {"ended": ended}},
    )
    outgoing.tell(project, news)
    notices.tell(project, news)
