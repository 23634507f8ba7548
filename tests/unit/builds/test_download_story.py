"""A backup is written as Odoo's zip, for one person and a while; nothing else of it stays."""

import gzip
import json
import zipfile
from datetime import timedelta
from types import SimpleNamespace

import pytest

from builds import download as story_of
from builds import rounds
from builds.models import Download
from hosting.engines.docker import ContainerSpec
from hosting.models import Backup
from portal import clock
from portal.models import AuditEntry, Result, State, Step, User
from portal.stories import ProjectError
from projects.models import Branch
from tests.unit.fakes import kept
from tests.unit.fakes.leftovers import leftovers
from tests.unit.fakes.stage import Scenery, nothing
from tests.unit.fakes.world import Killed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def branch(stage: Scenery, people: SimpleNamespace) -> Branch:
    return kept.production(stage)


@pytest.fixture
def backup(stage: Scenery, branch: Branch) -> Backup:
    return kept.backed_up(stage, branch)


@pytest.fixture
def alice(people: SimpleNamespace) -> User:
    return people.alice  # type: ignore[no-any-return]


def begun(branch: Branch, backup: Backup, by: User, form: Download.Form = Download.Form.ZIP) -> Download:
    return story_of.begin(branch=branch, backup=backup, form=form, by=by)


def left(stage: Scenery) -> list[str]:
    """Nothing of the throwaway stays, and no half of a file."""
    parts = [str(path) for path in (stage.home / "downloads").glob("*.part")]
    return [*leftovers(stage), *parts, *(str(each) for each in Download.objects.exclude(drill=None))]


def test_the_zip_is_one_of_odoos(stage: Scenery, branch: Branch, backup: Backup, alice: User) -> None:
    download = begun(branch, backup, alice)
    kept.tell(stage, download)
    assert (download.result, download.size_bytes) == (Result.SUCCESS, story_of.file(download).stat().st_size)
    with zipfile.ZipFile(story_of.file(download)) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {"dump.sql", f"filestore/{kept.NAME}", "manifest.json"}
        assert archive.read(f"filestore/{kept.NAME}") == kept.CONTENT
        assert "a customer" in archive.read("dump.sql").decode()
        about = json.loads(archive.read("manifest.json"))
    assert (about["odoo_dump"], about["major_version"], about["version_info"][:2]) == ("1", "18.0", [18, 0])
    assert about["modules"]["shop"] == "18.0.1.0"
    assert left(stage) == []


def test_the_database_alone_is_compressed_sql(stage: Scenery, branch: Branch, backup: Backup, alice: User) -> None:
    download = begun(branch, backup, alice, Download.Form.DUMP)
    kept.tell(stage, download)
    assert "a customer" in gzip.decompress(story_of.file(download).read_bytes()).decode()
    assert download.filename.endswith(".sql.gz")
    assert left(stage) == []


def test_no_container_that_makes_it_has_a_network_or_a_password(
    stage: Scenery, branch: Branch, backup: Backup, alice: User
) -> None:
    specs: list[ContainerSpec] = []

    def look(what: str) -> None:
        if what == "pg_restore ends":
            specs.extend(c.spec for name, c in stage.world.containers.items() if name.endswith("-run"))

    stage.world.before = look
    kept.tell(stage, begun(branch, backup, alice))
    assert [(spec.network, dict(spec.env)) for spec in specs] == [(None, {})]


def test_asked_for_twice_it_is_made_once_for_each_person(
    branch: Branch, backup: Backup, people: SimpleNamespace
) -> None:
    first = begun(branch, backup, people.alice)
    assert begun(branch, backup, people.alice) == first
    assert begun(branch, backup, people.tom) != first
    assert [entry.by for entry in AuditEntry.objects.filter(verb="download backup")] == ["alice", "tom"]


def test_one_that_was_not_proven_is_refused(branch: Branch, backup: Backup, alice: User) -> None:
    Backup.objects.update(proof=Backup.Proof.FAILED)
    backup.refresh_from_db()
    with pytest.raises(ProjectError, match="can't be downloaded"):
        begun(branch, backup, alice)


def test_a_vault_that_lost_it_is_said(stage: Scenery, branch: Branch, backup: Backup, alice: User) -> None:
    for manifest in (stage.home / "vaults").rglob("manifest.json"):
        manifest.write_text("{}")
    download = begun(branch, backup, alice)
    kept.tell(stage, download)
    assert download.story is not None
    assert (download.result, download.story.error_title) == (Result.FAILURE, "The backup can't be read")
    assert left(stage) == []


def test_too_little_disk_is_said_before_anything_is_fetched(
    stage: Scenery, branch: Branch, backup: Backup, alice: User
) -> None:
    stage.world.disk_free = 1
    stage.world.seen.clear()
    download = begun(branch, backup, alice)
    kept.tell(stage, download)
    assert download.story is not None
    assert download.story.error_title == "Not enough disk for the download"
    assert not stage.world.seen["restore from vault"]


def test_the_file_goes_when_its_time_is_up(stage: Scenery, branch: Branch, backup: Backup, alice: User) -> None:
    download = begun(branch, backup, alice)
    kept.tell(stage, download)
    story_of.forget()
    assert story_of.file(download).exists()
    with clock.moved(story_of.KEPT + timedelta(seconds=1)):
        story_of.forget()
        assert not story_of.file(download).exists()
        assert begun(branch, backup, alice) != download


def test_it_survives_its_worker_wherever_that_dies(stage: Scenery, branch: Branch, backup: Backup, alice: User) -> None:
    stage.world.seen.clear()
    kept.tell(stage, begun(branch, backup, alice))
    for number in range(3, stage.world.seen.total(), 3):
        Download.objects.update(expires_at=None)
        count = 0

        def kill(_what: str, at: int = number) -> None:
            nonlocal count
            count += 1
            if count == at:
                stage.world.dead = True
                raise Killed

        download = begun(branch, backup, alice)
        stage.world.before = kill
        kept.tell(stage, download)
        rounds.clear_away()
        assert download.result == Result.SUCCESS, number
        assert zipfile.is_zipfile(story_of.file(download)), number
        assert left(stage) == [], number
    again = Step.objects.filter(story__kind="download", attempts__gt=1)
    assert set(again.values_list("name", flat=True)) == {"take_out", "pack", "tidy"}


def test_one_that_was_cancelled_after_it_was_written_can_be_made_again(
    stage: Scenery, branch: Branch, backup: Backup, alice: User
) -> None:
    download = begun(branch, backup, alice)
    tidying = Step.objects.filter(story=download.story, name="tidy", state=State.RUNNING)

    def strike(what: str) -> None:
        if what == "list databases" and tidying.exists():
            stage.world.before = nothing
            raise OSError("struck")

    stage.world.before = strike
    kept.tell(stage, download)
    assert download.result == Result.FAILURE
    again = begun(branch, backup, alice)
    assert again != download
    kept.tell(stage, again)
    assert story_of.file(again).exists()
