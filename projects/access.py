"""Who may do what (as on Odoo.sh), as data, and the only ways in which a page gets hold of a project or a branch.

A foreign object is a 404, so that nobody learns what exists; a role that is too weak is a 403.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cached_property, wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404

from portal.models import ApiToken, User
from projects import plans, support
from projects.models import Branch, Domain, Member, Project, ProjectQuerySet, Role, Stage


class Tool(StrEnum):
    """What can be used, on a branch's stage or in the whole project."""

    BUILDS = "the builds page"
    STATUS = "the status page"
    HISTORY = "the history"
    CONNECT = "connecting"
    LOGS = "the logs"
    DEPLOY = "rebuilding and cancelling"
    SHELL = "the shell"
    MAILS = "the mails"
    MONITOR = "the monitor"
    BRANCH_SETTINGS = "the branch's settings"
    BACKUPS = "the backups"
    UPGRADE = "the upgrade"
    SETTINGS = "the project's settings"


class Rank(IntEnum):
    """Roles in order, between a visitor of a public project and more than anybody has."""

    VISITOR = 0
    DEVELOPER = 1
    TESTER = 2
    ADMIN = 3
    NOBODY = 4


_V, _D, _T, _A, _NOBODY = Rank
_STAGES = (Stage.DEVELOPMENT, Stage.STAGING, Stage.PRODUCTION)

# The weakest rank that may use a tool on development, staging and production.
WEAKEST: dict[Tool, tuple[Rank, Rank, Rank]] = {
    Tool.BUILDS: (_V, _V, _V),
    Tool.STATUS: (_D, _D, _D),
    Tool.HISTORY: (_D, _D, _D),
    Tool.CONNECT: (_D, _T, _A),
    Tool.LOGS: (_V, _T, _A),
    Tool.DEPLOY: (_D, _T, _A),
    Tool.SHELL: (_D, _T, _A),
    Tool.MAILS: (_D, _T, _A),
    Tool.MONITOR: (_D, _T, _A),
    Tool.BRANCH_SETTINGS: (_D, _T, _A),
    Tool.BACKUPS: (_NOBODY, _A, _A),
    Tool.UPGRADE: (_NOBODY, _T, _A),
    Tool.SETTINGS: (_A, _A, _A),
}


# What shows or changes a database's content: after a move, a copy of production may serve a development branch.
OF_THE_DATABASE = {Tool.CONNECT, Tool.LOGS, Tool.SHELL, Tool.MAILS, Tool.MONITOR, Tool.BACKUPS}


def allows(role: Role | None, stage: Stage, tool: Tool) -> bool:
    """Whether somebody with `role` may use `tool` on `stage`. No role means a visitor of a public project."""
    rank = Rank[role.name] if role else Rank.VISITOR
    return rank >= WEAKEST[tool][_STAGES.index(stage)]


@dataclass(frozen=True)
class Access:
    """A person before a project that this person may know of."""

    user: User | AnonymousUser
    project: Project
    role: Role | None  # None: a visitor

    def may(self, tool: Tool, stage: str) -> bool:
        return allows(self.role, Stage(stage), tool)

    def may_on(self, tool: Tool, branch: Branch) -> bool:
        """On the branch's stage, and where its database is of another one, on that too."""
        return all(self.may(tool, stage) for stage in _stages(tool, branch))

    def require(self, tool: Tool, *stages: str) -> None:
        """Raises PermissionDenied where the role allows `tool` on none of `stages`, and Http404 for a visitor."""
        if any(self.may(tool, stage) for stage in stages):
            return
        if self.role is None:
            raise Http404
        on = f" of a {stages[0]} branch" if len(stages) == 1 else ""
        raise PermissionDenied(f"As {self.role.label.lower()} of {self.project} you can't use {tool}{on}.")

    @property
    def person(self) -> User:
        """Who signed in; for what no visitor may."""
        assert isinstance(self.user, User)
        return self.user

    @property
    def manages(self) -> bool:
        return self.may(Tool.SETTINGS, Stage.PRODUCTION)

    @cached_property
    def plan(self) -> plans.Plan:
        return plans.plan(self.project)

    @cached_property
    def series_notice(self) -> str:
        """How long its series of Odoo is supported still, "" where nothing is to be said."""
        return support.notice(self.project)

    @property
    def is_member(self) -> bool:
        return self.role is not None


def _stages(tool: Tool, branch: Branch) -> set[str]:
    of_database = tool in OF_THE_DATABASE and branch.instance is not None
    return {branch.stage, branch.instance.stage} if of_database and branch.instance else {branch.stage}


def operator_or_404(request: HttpRequest) -> User:
    """For pages about the installation: nobody else learns that they are there."""
    user = request.user
    if isinstance(user, AnonymousUser) or not user.is_superuser:
        raise Http404
    return user


def project_or_404(request: HttpRequest, slug: str, tool: Tool) -> Access:
    """The project, for somebody who may use `tool` on one of its stages at least."""
    access = _find(request, slug)
    access.require(tool, *_STAGES)
    return access


def branch_or_404(request: HttpRequest, slug: str, pk: int, tool: Tool) -> tuple[Access, Branch]:
    """A branch that isn't deleted, for a member who may use `tool` on its stage."""
    access = _find(request, slug)
    access.require(Tool.HISTORY, *_STAGES)
    branch = get_object_or_404(access.project.branches.alive().select_related("instance"), pk=pk)
    branch.project = access.project
    for stage in _stages(tool, branch):
        access.require(tool, stage)
    return access, branch


def domain_or_404(request: HttpRequest, slug: str, pk: int, domain: int) -> tuple[Access, Domain]:
    """A custom domain of a branch. What is parked was production's, and is for those who may change that."""
    access, branch = branch_or_404(request, slug, pk, Tool.BRANCH_SETTINGS)
    found = get_object_or_404(branch.domains.select_related("alias__certificate"), pk=domain)
    if found.parked:
        access.require(Tool.BRANCH_SETTINGS, Stage.PRODUCTION)
    found.branch, found.project = branch, access.project
    return access, found


def production_or_404(request: HttpRequest, slug: str, pk: int) -> tuple[Access, Branch]:
    """Production's branch, for who may use its backups: other databases can be made anew."""
    access, branch = branch_or_404(request, slug, pk, Tool.BACKUPS)
    if branch.stage != Stage.PRODUCTION:
        raise Http404
    return access, branch


def visible_projects(request: HttpRequest) -> QuerySet[Project]:
    """Those that the person may know of; by a token that is for one of them, that one alone."""
    user = request.user
    if isinstance(user, AnonymousUser):
        return Project.objects.none()
    found, only = Project.objects.visible_to(user), _only(request)
    return found.filter(pk=only) if only is not None else found


def deleted_projects(request: HttpRequest) -> QuerySet[Project]:
    """Those whose deletion the person may undo; by a token that is for one of them, that one alone."""
    user = request.user
    if isinstance(user, AnonymousUser):
        return Project.objects.none()
    found, only = Project.objects.deleted().managed_by(user), _only(request)
    return found.filter(pk=only) if only is not None else found


def _only(request: HttpRequest) -> int | None:
    """The project that a request of the API is limited to by its token. Pages come without one."""
    token = getattr(request, "auth", None)
    return token.project_id if isinstance(token, ApiToken) else None


def require_whole_account(request: HttpRequest) -> None:
    """Raises PermissionDenied where a token is for one project alone: what belongs to none is not its business."""
    if _only(request) is not None:
        raise PermissionDenied("This token is for one project, and this is about your whole account.")


def deleted_or_404(request: HttpRequest, slug: str) -> Access:
    """A project whose deletion can be undone, for its admins. Nothing else of it is there any more."""
    access = _find(request, slug, Project.objects.deleted())
    access.require(Tool.SETTINGS, *_STAGES)
    return access


def _find(request: HttpRequest, slug: str, among: ProjectQuerySet | None = None) -> Access:
    user, projects = request.user, Project.objects.alive() if among is None else among
    member = None
    if user.is_authenticated:  # one query for the most usual case, which each page asks
        members = Member.objects.select_related("project__subscription").filter(project__in=projects)
        member = members.filter(user=user, project__slug=slug).first()
    project = member.project if member else projects.select_related("subscription").filter(slug=slug).first()
    if project is None or _only(request) not in (None, project.pk):
        raise Http404
    if user.is_superuser or member is not None:
        return Access(user, project, Role.ADMIN if user.is_superuser or member is None else Role(member.role))
    if not project.public:
        raise Http404
    return Access(user, project, None)


P = ParamSpec("P")


def visitors_welcome(
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """For pages that a public project shows to everybody. Who isn't signed in and finds nothing may do so first."""

    @login_not_required
    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except Http404:
            if request.user.is_authenticated:
                raise
            return redirect_to_login(request.get_full_path())

    return wrapped
