"""What a page says of the places where a vault's backups lie."""

from typing import Any

from django.db.models import Count, Max, Q

from builds.vaultcopies import is_red
from hosting import backups
from hosting.models import Vault, VaultCopy
from portal.models import State


def places(vault: Vault | None) -> dict[str, Any]:
    """For templates/builds/_places.html."""
    kept = Q(backups__forgotten_at=None)
    found = VaultCopy.objects.filter(vault=vault, place__removed_at=None).select_related("place", "story")
    copies = list(found.annotate(number=Count("backups", filter=kept), newest=Max("backups__taken_at", filter=kept)))
    for copy in copies:
        copy.red = is_red(copy)  # type: ignore[attr-defined]
        copy.going_on = copy.story is not None and copy.story.state != State.DONE  # type: ignore[attr-defined]
    return {"copies": copies, "here": backups.kept(vault).count() if vault is not None else 0}
