"""Rows that somebody else may have changed, or removed, since they were read."""

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model

from portal.stories import ProjectError


def lock(row: Model, what: str) -> None:
    """Read it anew and keep it so, in the caller's transaction. Raises ProjectError where it was removed meanwhile."""
    try:
        row.refresh_from_db(from_queryset=type(row)._default_manager.select_for_update())
    except ObjectDoesNotExist:
        raise ProjectError(f"{what} was removed meanwhile", "Nothing was changed.", "Reload the page.") from None
