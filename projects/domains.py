"""Custom domains: claimed, proven, led to what serves their branch, parked, removed.

A claim is only a row. Control of the name is proven in DNS (projects/domaincheck.py), before it is routed or a
certificate is asked for. Pages run in processes that may not speak to the router: what they change is told by a worker.
"""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django_q.tasks import async_task

from hosting import aliases
from hosting.models import Alias
from portal import audit, clock
from portal.models import User
from portal.stories import ProjectError
from projects import domainnames
from projects.models import Branch, Domain, Project

MOST = 100  # of a project; Let's Encrypt gives 50 certificates a week below one registered domain
TEXT_LABEL = "_berth"
TEXT_PREFIX = "berth-verification="
FURTHER = "Nothing was changed."


def target(project: Project) -> str:
    """What a domain's CNAME has to say. It names the project, so that it proves whose the domain shall be."""
    return f"{project.slug}.{settings.BERTH_DOMAIN}"


def text_name(domain: Domain) -> str:
    return f"{TEXT_LABEL}.{domain.name}"


def text(domain: Domain) -> str:
    """The TXT record that proves control where there can't be a CNAME."""
    return f"{TEXT_PREFIX}{domain.token}"


@transaction.atomic
def add(*, branch: Branch, name: str, by: User, manages: bool) -> Domain:
    """Claim a name for a branch, or take it over from a branch of the project that has no use for it any more: that
    may be production's, so `by` has to be somebody who `manages` the project.

    Raises ProjectError, and changes nothing then.
    """
    project = Project.objects.select_for_update().get(pk=branch.project_id)
    name = _cleaned(name)
    _refuse_taken(project, name)
    claimed = Domain.objects.select_related("branch", "alias").filter(project=project, name=name).first()
    if claimed is not None:
        return _take_over(claimed, branch, by, manages=manages)
    if project.domains.count() >= MOST:
        raise ProjectError(
            f"{project} has {MOST} custom domains already", FURTHER, "Remove one that is not needed any more."
        )
    domain = Domain.objects.create(project=project, branch=branch, name=name, added_by=by)
    audit.record(by=by, verb="add domain", object=name, project_id=project.pk, after={"branch": branch.name})
    check_soon(domain)
    return domain


def _cleaned(name: str) -> str:
    try:
        return domainnames.clean(name)
    except ValidationError as error:
        raise ProjectError("This can't be a custom domain", " ".join(error.messages), FURTHER) from error


def _refuse_taken(project: Project, name: str) -> None:
    if Domain.objects.exclude(project=project).filter(name=name).exclude(proven_at=None).exists():
        raise taken(name)


def taken(name: str) -> ProjectError:
    return ProjectError(
        f"{name} belongs to another project",
        f"Its owner has proven control of it there. {FURTHER}",
        "If it is yours, remove it there first, or ask the operator.",
    )


def _take_over(domain: Domain, branch: Branch, by: User, *, manages: bool) -> Domain:
    """The proof was the project's, so it holds for its other branches."""
    if domain.branch_id == branch.pk and not domain.parked:
        raise ProjectError(f"{domain} is a domain of {branch} already", FURTHER)
    if domain.branch.deleted_at is None and not domain.parked:
        raise ProjectError(f"{domain} belongs to the branch {domain.branch}", FURTHER, "Remove it there first.")
    if not manages:
        raise ProjectError(f"{domain} was a domain of {domain.branch}", FURTHER, "An admin can move it here.")
    before, domain.branch, domain.parked = domain.branch.name, branch, False
    domain.save(update_fields=["branch", "parked"])
    values = {"before": {"branch": before, "parked": True}, "after": {"branch": branch.name, "parked": False}}
    audit.record(by=by, verb="move domain", object=domain.name, project_id=domain.project_id, **values)
    check_soon(domain)
    return domain


@transaction.atomic
def remove(*, domain: Domain, by: User | None) -> None:
    """Its route and certificate go with it."""
    before = {"branch": domain.branch.name, "proven": bool(domain.proven_at)}
    if domain.alias is not None:
        aliases.remove(domain.alias)
    domain.delete()
    audit.record(by=by, verb="remove domain", object=domain.name, project_id=domain.project_id, before=before)


@transaction.atomic
def prove(domain: Domain, proof: Domain.Proof) -> None:
    """Give the name to the project. Raises ProjectError where another one was first."""
    row = Domain.objects.select_for_update().filter(pk=domain.pk, proven_at=None).first()
    if row is None:
        return
    row.proof, row.proven_at = proof, clock.now()
    try:
        with transaction.atomic():
            row.alias = Alias.objects.create(hostname=row.name)
            row.save(update_fields=["proof", "proven_at", "alias"])
    except IntegrityError as error:
        raise taken(row.name) from error
    lead(row.branch)
    audit.record(by=None, verb="prove domain", object=row.name, project_id=row.project_id, after={"by": proof.label})


def lead(branch: Branch) -> None:
    """Let the branch's domains lead to what serves it now; those that are parked, nowhere."""
    branch = Branch.objects.select_related("instance").get(pk=branch.pk)
    alive = branch.instance if branch.deleted_at is None else None
    for domain in branch.domains.exclude(alias=None).select_related("alias__instance"):
        assert domain.alias is not None
        aliases.point(domain.alias, None if domain.parked else alive)


def park(branch: Branch) -> None:
    """The branch leaves production: nobody who knows its domains is to end up on a development database."""
    branch.domains.update(parked=True)
    lead(branch)


def unpark(branch: Branch) -> None:
    """The branch is production again."""
    branch.domains.update(parked=False)
    lead(branch)


def check_soon(domain: Domain) -> None:
    """Let a worker look at DNS, now."""
    Domain.objects.filter(pk=domain.pk).update(check_at=clock.now())
    transaction.on_commit(lambda: async_task("projects.domaincheck.check_now", domain.pk, cluster="outside"))
