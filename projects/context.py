"""Alarms and the bell, on the pages of who should know of them."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal import alarms
from projects import notices
from projects.models import Role


def going_on(request: HttpRequest) -> dict[str, object]:
    """The operator sees all of them, an admin those of his projects."""
    user = getattr(request, "user", None)  # pages of errors may have nobody
    if user is None or not user.is_authenticated or request.headers.get("HX-Request"):
        return {}
    found = alarms.going_on().filter(on_pages=True)
    if not user.is_superuser:
        found = found.filter(project_id__in=user.memberships.filter(role=Role.ADMIN).values("project_id"))
    return {"alarms": found[:5], "unread_notices": SimpleLazyObject(lambda: notices.unread(user))}
