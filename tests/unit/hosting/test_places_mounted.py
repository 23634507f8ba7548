"""A repository is only begun on a disk where others of the place are, not on the disk below its mount point."""

from pathlib import Path

import pytest

from hosting import places
from hosting.engines.restic import Repository, Unreachable
from hosting.models import Place, Vault, VaultCopy
from portal import clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where repositories were made. restic itself isn't asked."""
    made: list[Path] = []
    monkeypatch.setattr(Repository, "create", lambda there, like=None: made.append(there.folder))
    return made


def begin(place: Place) -> None:
    """Copy a vault of which nothing is at the place yet."""
    vault = Vault.objects.create()
    copy = VaultCopy.objects.create(place=place, vault=vault)
    places.prepare(Repository(Path(place.address) / "c0ffee" / str(vault), "p"), copy)


def bring(place: Place, vault: Vault | None) -> Path:
    """A copy that is whole at the place; its repository's folder."""
    VaultCopy.objects.create(place=place, vault=vault, done_at=clock.now())
    folder = Path(place.address) / "c0ffee" / (str(vault) if vault else "self")
    folder.mkdir(parents=True)
    (folder / "config").touch()
    return folder


def test_the_first_copy_of_a_place_is_begun_in_its_empty_folder(tmp_path: Path, made: list[Path]) -> None:
    begin(Place.objects.create(name="disk", address=str(tmp_path)))
    assert len(made) == 1


@pytest.mark.parametrize("of_a_vault", [True, False])
def test_another_one_is_begun_where_one_of_them_is(tmp_path: Path, made: list[Path], of_a_vault: bool) -> None:
    place = Place.objects.create(name="disk", address=str(tmp_path))
    bring(place, Vault.objects.create() if of_a_vault else None)
    VaultCopy.objects.create(place=place, vault=Vault.objects.create(), done_at=clock.now())  # lost there
    begin(place)
    assert len(made) == 1


@pytest.mark.parametrize("of_a_vault", [True, False])
def test_none_is_begun_below_the_mount_point_of_a_disk(tmp_path: Path, made: list[Path], of_a_vault: bool) -> None:
    place = Place.objects.create(name="disk", address=str(tmp_path / "disk"))
    folder = bring(place, Vault.objects.create() if of_a_vault else None)
    Path(place.address).rename(tmp_path / "taken away")
    Path(place.address).mkdir()
    with pytest.raises(Unreachable, match="mounted"):
        begin(place)
    assert not made
    assert not folder.parent.exists()


def test_copies_of_other_places_prove_nothing(tmp_path: Path, made: list[Path]) -> None:
    bring(Place.objects.create(name="disk", address=str(tmp_path / "disk")), None)
    (tmp_path / "new").mkdir()
    begin(Place.objects.create(name="new", address=str(tmp_path / "new")))
    assert len(made) == 1
