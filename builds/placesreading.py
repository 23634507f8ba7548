"""What pages say of the places where backups lie besides this machine."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q, QuerySet

from builds.vaultcopies import is_going_on, is_red
from hosting import backups
from hosting.models import Place, Vault, VaultCopy
from projects.models import Project


@dataclass(frozen=True)
class CopyRow:
    """A copy as pages show it: see templates/builds/_copy.html."""

    copy: VaultCopy
    of: str  # whose it is
    number: int | None  # of backups in it; None for the installation itself, whose states aren't counted here
    newest: datetime | None  # when the newest of them was taken
    red: bool
    going_on: bool


def of_vault(vault: Vault | None) -> dict[str, Any]:
    """For templates/builds/_places.html."""
    copies = _rows(VaultCopy.objects.filter(vault=vault, place__removed_at=None)) if vault is not None else []
    return {"copies": copies, "here": backups.kept(vault).count() if vault is not None else 0}


def by_place() -> list[tuple[Place, list[CopyRow]]]:
    """All places with their copies: those that fail first, then the installation's own, then by project."""
    rows = _rows(VaultCopy.objects.filter(place__removed_at=None))
    rows.sort(key=lambda row: (row.copy.failing_since is None, row.copy.vault_id is not None, row.of.lower()))
    return [(place, [row for row in rows if row.copy.place_id == place.pk]) for place in Place.objects.alive()]


def _rows(copies: QuerySet[VaultCopy]) -> list[CopyRow]:
    kept = Q(backups__forgotten_at=None)
    counted = copies.annotate(number=Count("backups", filter=kept), newest=Max("backups__taken_at", filter=kept))
    found = list(counted.select_related("place", "story"))
    names = _names(copy.vault_id for copy in found)
    return [
        CopyRow(
            copy=copy,
            of=names.get(copy.vault_id, f"The vault v{copy.vault_id}"),
            number=copy.number if copy.vault_id else None,
            newest=copy.newest,
            red=is_red(copy),
            going_on=is_going_on(copy),
        )
        for copy in found
    ]


def _names(vaults: Iterable[int | None]) -> dict[int | None, str]:
    """Of the projects whose vaults these are."""
    owners = Project.objects.filter(vault__in=[vault for vault in vaults if vault]).values_list("vault_id", "name")
    return {None: "This installation", **dict(owners)}
