"""Moving a branch to another stage: what may be moved, what becomes of the databases, and the move itself.

But for production, which is retired by a story (builds/retire.py), a move changes rows alone: what serves at the moment
goes on until the first build on the new stage takes its place, or stays where none is begun.
"""

from functools import partial

from django.conf import settings
from django.db import transaction

from builds import retire
from builds.begin import begin
from builds.begin import refusal as cant_begin
from builds.models import Retired
from hosting.models import Instance
from portal import audit, clock
from portal.models import State, Story, User
from portal.stories import ProjectError
from projects import domains, plans
from projects.models import Branch, Project, Stage


@transaction.atomic
def move(*, branch: Branch, stage: Stage, by: User | None, attach: Retired | None = None) -> Story | None:
    """Put the branch on `stage`. `attach` is a retired database that production goes on with, instead of a new one.

    Returns what goes on from there: the retiring, by which alone the branch is moved then, or a build.
    Raises ProjectError, and changes nothing then.
    """
    project = Project.objects.select_for_update().get(pk=branch.project_id)
    branch = Branch.objects.select_related("instance").get(pk=branch.pk)
    if branch.stage == stage:
        return None
    reason = refusal(branch, stage)
    if reason:
        raise ProjectError(f"{branch} was not moved", f"{reason} Nothing was changed.", remedy(branch, stage))
    if branch.stage == Stage.PRODUCTION and branch.instance is not None:
        return retire.begin(branch=branch, by=by).story
    before, on_push = branch.stage, branch.on_push
    branch.stage = stage
    if stage == Stage.PRODUCTION and branch.on_push == Branch.OnPush.UPDATE:
        branch.on_push = Branch.OnPush.BUILD  # which keeps the database there
    if stage == Stage.PRODUCTION:
        branch.instance = _attached(attach, project) if attach is not None else None
    if stage == Stage.DEVELOPMENT and before == Stage.STAGING:
        branch.on_push = Branch.OnPush.NOTHING
    branch.save(update_fields=["stage", "instance", "on_push"])
    if stage == Stage.PRODUCTION:
        domains.unpark(branch)
    else:
        domains.lead(branch)
    after = f"{stage} with {attach.instance.name} of before" if attach else stage
    record = partial(audit.record, by=by, object=branch.name, project_id=project.pk)
    if branch.on_push != on_push:
        record(verb="change branch settings", before={"on_push": on_push}, after={"on_push": branch.on_push})
    record(verb="move branch", before=before, after=after)
    if begins_build(branch, before, stage):
        return begin(branch=branch, commit=branch.head, by=by).story
    return None


def _is_closed(project: Project) -> bool:
    """Whether nothing is built for it."""
    return bool(cant_begin(project, is_asked=False))


def begins_build(branch: Branch, before: str, stage: Stage) -> bool:
    """Whether a move from one stage to another begins a build, if it isn't production that is retired by it."""
    return bool(branch.head) and builds_at_once(before, stage) and not _is_closed(branch.project)


def builds_at_once(before: str, stage: Stage) -> bool:
    """A copy of production that is moved to development stays as it is, until somebody asks for a build."""
    return not (before == Stage.STAGING and stage == Stage.DEVELOPMENT)


def refusal(branch: Branch, stage: Stage) -> str:
    """Why the branch can't be moved to `stage` now, "" when it can."""
    if Retired.objects.going_on().filter(branch=branch).exists():
        return "Its database is being retired already."
    making = branch.builds.filter(stage=Stage.PRODUCTION).exclude(state=State.DONE)
    if branch.stage == Stage.PRODUCTION and branch.instance_id is None and making.exists():
        return "Its first database is being made."  # which would be nobody's, at production's address
    if branch.stage == Stage.PRODUCTION and stage == Stage.STAGING:
        return "Staging is a copy of production, and there would be none any more."
    plan = plans.plan(branch.project)
    if stage != Stage.DEVELOPMENT and plan.is_closed:
        return plan.says
    if stage == Stage.STAGING and plans.no_more_staging(branch.project, but=branch):
        return plans.no_more_staging(branch.project, but=branch)
    other = production_of(branch)
    if stage == Stage.PRODUCTION and other is not None:
        return f"{other} is the production branch already, and a project has exactly one."
    return ""


def remedy(branch: Branch, stage: Stage) -> str:
    """What to do about a refusal."""
    if stage != Stage.DEVELOPMENT and plans.plan(branch.project).is_closed:
        return "Enter a subscription code in the project's settings first."
    other = production_of(branch)
    if stage == Stage.PRODUCTION and other is not None:
        return f"Merge {branch} into {other}, or move {other} to development first."
    if stage == Stage.STAGING and plans.no_more_staging(branch.project, but=branch):
        return "Move another branch off staging first, or ask the operator for more."
    return "Wait for its end." if stage == Stage.DEVELOPMENT else "Move it to development."


def production_of(branch: Branch) -> Branch | None:
    """The project's production branch, unless it is this one."""
    alive = Branch.objects.alive().filter(project=branch.project_id, stage=Stage.PRODUCTION)
    return alive.exclude(pk=branch.pk).first()


def _attached(retired: Retired, project: Project) -> Instance:
    """The retired database at production's address again. Its door stays closed until the branch's build has switched.

    Raises ProjectError.
    """
    row = Retired.objects.there().select_for_update(of=("self",)).filter(pk=retired.pk, project=project).first()
    ready = Instance.objects.select_for_update().filter(state=Instance.State.READY)
    instance = ready.filter(pk=row.instance_id).first() if row is not None else None  # the clean-up looks at it too
    refused = attach_refusal(project)
    if row is None or instance is None or refused:
        raise ProjectError(
            "The retired database can't be attached",
            refused
            if instance is not None
            else "It is gone or being removed, or attached already. Nothing was changed.",
            "Look at the project's retired databases; then move the branch again.",
        )
    Retired.objects.filter(pk=row.pk).update(attached_at=clock.now())
    instance.hostname, instance.hours_left = _address(project), None
    instance.save(update_fields=["hostname", "hours_left"])
    return instance


def attach_refusal(project: Project) -> str:
    """Why no retired database can be production's now, "" when one can."""
    taken = Instance.objects.filter(hostname=_address(project)).exclude(state=Instance.State.REMOVED)
    return f"{_address(project)} is in use." if taken.exists() else ""


def _address(project: Project) -> str:
    return f"{project.slug}.{settings.BERTH_DOMAIN}"


# --- for people -------------------------------------------------------------------------------------------------------
def effects(branch: Branch, stage: Stage, attach: Retired | None = None) -> list[str]:
    """What a move does, a sentence each: first the database, then the address, the backups, what comes next."""
    if stage == Stage.PRODUCTION:
        return _to_production(branch, attach)
    if branch.stage == Stage.PRODUCTION:
        return _from_production(branch)
    if stage == Stage.STAGING:
        return [
            "Its next build gets a new copy of production, neutralised: mail is caught, scheduled actions are off.",
            "The databases of its earlier builds stay until they are cleaned up; the present one serves until the "
            "copy is ready.",
            "The copy has an address of its own.",
            "It isn't backed up: a copy can be made again.",
            *_next(branch, f"{branch.head[:7]} is built on it at once."),
        ]
    return [
        "Its database, the copy of production, stays as it is and goes on serving at its address. As long as it does, "
        "only those who may use staging can connect to it.",
        "New commits do nothing on this branch until somebody asks for a build, or its settings say otherwise. The "
        "first build makes a fresh database with demo data in place of the copy.",
    ]


def _to_production(branch: Branch, attach: Retired | None) -> list[str]:
    gets = (
        "It gets a database of its own: a new and empty one without demo data, or a retired one where you choose so."
        if attach is None
        else f"It goes on with {attach.instance}, the database that was retired on {attach.at:%Y-%m-%d %H:%M} UTC."
    )
    return [
        f"{gets} Nothing of its present databases comes along; they stay until they are cleaned up.",
        f"It is served at {_address(branch.project)}, for everybody.",
        "It is backed up every night from then on.",
        *_next(branch, f"{branch.head[:7]} is deployed at once; each push to the branch is from then on."),
    ]


def _from_production(branch: Branch) -> list[str]:
    if branch.instance is None:
        return ["There is no database yet, so nothing is lost.", "Its next build gets a fresh one with demo data."]
    return [
        "A last backup of it is taken while it serves, whose dump can be downloaded.",
        f"{branch.instance.hostname} stops then: requests that run come to their end, then nobody is served there.",
        f"Its database and files are retired: kept for {retire.KEPT.days} days, in which a branch that is moved to "
        "production can go on with them. After that they are removed for good.",
        "Its backups stay, by the same rule as before; no new ones are taken.",
        "Staging builds find no production to copy until there is one again.",
        *_next(branch, f"Then {branch.head[:7]} is built in a fresh database with demo data."),
    ]


def _next(branch: Branch, says: str) -> list[str]:
    return [says] if branch.head and not cant_begin(branch.project) else []
