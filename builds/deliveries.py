"""Webhook deliveries: verified, stored, acknowledged, and only then looked into."""

import logging
from datetime import timedelta

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from django_q.tasks import async_task

from builds.begin import begin, is_kept
from builds.models import Delivery
from hosting.models import Stage
from portal import clock, stories
from portal.models import Story
from projects import plans, support
from projects.git import GitError, validate_branch
from projects.models import Branch, Project
from projects.providers import Push, ValidationFailed
from projects.providers.github_webhooks import parse_push, verify_signature

log = logging.getLogger(__name__)

LIMIT = 25 * 1024 * 1024  # GitHub sends no larger payload
NOWHERE = "0" * 40  # where a branch was that is new
PATIENCE = timedelta(hours=1)  # with a delivery that can't be looked into
KEPT = timedelta(days=30)  # what a delivery said


class OutOfOrder(Exception):
    """A branch isn't where the news says that it was: it is older than what we know, or one before it is missing."""


@csrf_exempt
@login_not_required
@require_POST
def receive(request: HttpRequest, project_id: int) -> HttpResponse:
    """The webhook address: 401 for what isn't signed with the project's secret, 413 for what is too large."""
    body = request.read(LIMIT + 1)  # no more, whatever length was announced
    if len(body) > LIMIT:
        return JsonResponse({"error": "The payload is larger than 25 MB. Nothing was stored."}, status=413)
    project = Project.objects.alive().filter(pk=project_id).first()
    signature = request.headers.get("X-Hub-Signature-256")
    if project is None or not verify_signature(project.webhook_secret.encode(), body, signature):
        return JsonResponse({"error": "The signature doesn't fit. Nothing was stored."}, status=401)
    guid = request.headers.get("X-GitHub-Delivery", "")
    if not guid or len(guid) > 64:
        return JsonResponse({"error": "X-GitHub-Delivery is missing or too long. Nothing was stored."}, status=400)
    delivery, new = Delivery.objects.get_or_create(
        project=project, guid=guid, defaults={"event": request.headers.get("X-GitHub-Event", "")[:40], "body": body}
    )
    if new:
        try:
            look_into(delivery)
        except Exception:  # it is stored: the reconciler looks into it again
            log.exception("delivery %s", guid)
    return JsonResponse({"delivery": guid, "new": new}, status=202)


def look_into(delivery: Delivery) -> None:
    """Act on a stored delivery, once."""
    with transaction.atomic():
        delivery = Delivery.objects.select_for_update().get(pk=delivery.pk)
        if not delivery.outcome:
            delivery.outcome = _act(delivery)[:300]
            delivery.save(update_fields=["outcome"])


def look_into_forgotten() -> int:
    """Deliveries that were stored by a process that died before it looked into them. Returns how many."""
    forgotten = list(Delivery.objects.filter(outcome=""))
    for delivery in forgotten:
        try:
            look_into(delivery)
        except Exception:  # one that can't be understood must not stand before the others, nor come back for ever
            log.exception("delivery %s", delivery.guid)
            if delivery.received_at < clock.now() - PATIENCE:
                Delivery.objects.filter(pk=delivery.pk).update(outcome="given up: the log of `worker` says why")
    return len(forgotten)


def forget() -> None:
    """What old deliveries said goes, which takes most room. Their rows stay: none is ever taken a second time."""
    old = Delivery.objects.exclude(outcome="").filter(received_at__lt=clock.now() - KEPT)
    old.exclude(body=b"").update(body=b"")


def _act(delivery: Delivery) -> str:
    if delivery.event == "ping":
        return "the webhook works"
    if delivery.event == "repository":  # renamed, transferred, deleted: what is so, GitHub knows best
        _ask(delivery.project)
        return "GitHub is asked what became of the repository"
    if delivery.event != "push":
        return f"not of interest: {delivery.event}"
    try:
        push = parse_push(bytes(delivery.body))
        if push.branch is None:
            return "not a branch"
        validate_branch(push.branch)
    except (ValidationFailed, GitError) as error:
        return f"refused: {error}"
    return take_push(delivery.project, push)


def take_push(project: Project, push: Push) -> str:
    """What a push means: a branch is new, moved or deleted. Returns what was done, in words."""
    if push.provider_id != project.provider_id:
        return f"refused: the push is for repository {push.full_name}"
    assert push.branch is not None
    before = push.before if push.before != NOWHERE else ""
    try:
        if push.full_name != project.repository:
            raise OutOfOrder(f"the repository is called {push.full_name} now")
        if push.deleted:
            return delete_branch(project, push.branch, before=before)
        return move_branch(project, push.branch, push.after, before=before, message=push.message, author=push.author)
    except OutOfOrder as error:
        _ask(project)
        return f"out of order: {error}; GitHub is asked"


def _ask(project: Project) -> None:
    transaction.on_commit(lambda: async_task("builds.rounds.ask", project.pk, cluster="rounds"))


@transaction.atomic
def move_branch(project: Project, name: str, commit: str, *, before: str, message: str = "", author: str = "") -> str:
    """Build `commit` on the branch, which is made where it is new, unless that is the commit we know of.

    `before` is where who brings the news believes the branch to have been, "" for nowhere: deliveries come in any
    order, and a poll's answer may be older than the latest of them. Raises OutOfOrder.
    """
    Project.objects.select_for_update().get(pk=project.pk)  # a delivery and a poll may find the same push at once
    branch, _new = Branch.objects.get_or_create(project=project, name=name, defaults={"stage": Stage.DEVELOPMENT})
    known = branch.head if branch.deleted_at is None else ""
    if known == commit and branch.builds.filter(commit=commit).exists():
        return f"known already: {commit[:7]} on {name}"
    if known not in {before, commit}:
        raise OutOfOrder(f"{name} is at {known[:7] or 'nowhere'}, not at {before[:7] or 'nowhere'}")
    if branch.deleted_at and branch.stage == Stage.STAGING and plans.no_more_staging(project, but=branch):
        branch.stage = Stage.DEVELOPMENT  # it was deleted meanwhile, and others took its place
    branch.head, branch.deleted_at = commit, None
    branch.save(update_fields=["head", "deleted_at", "stage"])
    plan = plans.plan(project)
    if plan.is_closed:
        return f"nothing is built: {plan.says}"
    if refused := support.refusal(project.series):
        return f"nothing is built: {refused}"
    if branch.on_push == Branch.OnPush.NOTHING:
        return f"nothing is built: the settings of {name} say so"
    source = {"keeps_database": is_kept(branch)}
    build = begin(branch=branch, commit=commit, by=None, message=message, author=author, **source)
    return f"build {build.number}"


@transaction.atomic
def delete_branch(project: Project, name: str, *, before: str) -> str:
    """Forget a branch that was at `before`. What is being built of it is cancelled. Raises OutOfOrder.

    Production goes on serving: deleting a branch must never delete a company's database.
    """
    Project.objects.select_for_update().get(pk=project.pk)
    branch = project.branches.alive().filter(name=name).first()
    if branch is None:
        return f"not known: {name}"
    if branch.stage == Stage.PRODUCTION:
        return f"{name} was deleted on GitHub; it is production, so it was kept and goes on serving"
    if branch.head != before:
        raise OutOfOrder(f"{name} is at {branch.head[:7]}, not at {before[:7]}")
    branch.deleted_at = clock.now()
    branch.save(update_fields=["deleted_at"])
    for story in Story.objects.open().filter(subject=branch.subject):
        stories.cancel(story)
    return f"deleted {name}; its database is removed by the clean-up"
