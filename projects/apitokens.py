"""A person's tokens, with the projects that they are for: the ground floor knows none."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from portal import apitokens, clock
from portal.models import ApiToken, Scope, User
from portal.stories import ProjectError
from projects.models import Project

AT_MOST = 50  # of a person


def of(user: User) -> QuerySet[ApiToken]:
    """Those that aren't revoked, newest first, each with the project's `slug`."""
    slug = Project.objects.filter(pk=OuterRef("project_id")).values("slug")
    return ApiToken.objects.filter(user=user, revoked_at=None).annotate(slug=Subquery(slug)).order_by("-pk")


def known_to(token: ApiToken) -> QuerySet[ApiToken]:
    """Those of its owner that a token may know of: one for a project has nothing to do with others."""
    found = of(token.user)
    return found if token.project_id is None else found.filter(project_id=token.project_id)


@transaction.atomic
def make(
    *,
    user: User,
    name: str,
    scope: Scope,
    project: Project | None,
    days: int | None,
    by_token: ApiToken | None = None,
) -> tuple[ApiToken, str]:
    """A new one, and what is seen of it this once. With `by_token` it may no more, nor longer, than that.

    Raises ProjectError.
    """
    expires_at = clock.now() + timedelta(days=days) if days else None
    project_id = project.pk if project else None
    if by_token is not None:
        _refuse_more(by_token, scope, project_id, expires_at)
    User.objects.select_for_update().get(pk=user.pk)
    if of(user).count() >= AT_MOST:
        raise ProjectError(
            f"You have {AT_MOST} tokens, which is as many as there may be", "None was made.", "Revoke one first."
        )
    token, plain = apitokens.make(user=user, name=name, scope=scope, project_id=project_id, expires_at=expires_at)
    return of(user).get(pk=token.pk), plain


def _refuse_more(token: ApiToken, scope: Scope, project_id: int | None, expires_at: datetime | None) -> None:
    longer = token.expires_at is not None and (expires_at is None or expires_at > token.expires_at)
    wider = token.project_id is not None and project_id != token.project_id
    if longer or wider or not Scope(token.scope).covers(scope):
        raise ProjectError(
            "A token can't make one that may more than itself",
            "The scope is wider, the time longer or the project another one. None was made.",
            "Make it on the page Account, API tokens.",
        )
