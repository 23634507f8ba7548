"""What somebody brings is received in pieces, looked at, and becomes production's database, or that of staging."""

import io
import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from builds import restore as restores
from builds import rounds, stages
from builds import upload as story_of
from builds.models import Build, Parked, Restore, Retired, Upload
from builds.origin import Origin, Way
from builds.parked import begin as switch_on
from hosting import databases, machines
from hosting.models import Backup, Instance
from portal import clock
from portal.models import AuditEntry, LogChunk, Result, State, Story, User
from portal.stories import ProjectError
from projects.models import Branch, Stage
from tests import zips
from tests.unit.fakes import kept
from tests.unit.fakes.stage import NEW, OLD, Scenery
from tests.unit.fakes.world import Killed, World

pytestmark = pytest.mark.django_db(transaction=True)
ACTIVE = {"ir_cron": ["Send mails", "Clean up"], "ir_mail_server": ["mail.example.com"]}


@pytest.fixture
def branch(stage: Scenery, people: SimpleNamespace) -> Branch:
    return kept.production(stage)


@pytest.fixture
def alice(people: SimpleNamespace) -> User:
    return people.alice  # type: ignore[no-any-return]


def content(tmp_path: Path, *, modules: dict[str, str] | None = None, series: str = "18.0", jobs: int = 0) -> bytes:
    installed = {"base": "18.0.1.3", "shop": "18.0.1.0"} if modules is None else modules
    held = {"modules": installed, "parameters": {}, "rows": ["brought along"], "active": ACTIVE, "jobs": jobs}
    held["files"] = [zips.NAME.removeprefix("filestore/")]
    about = zips.manifest(modules=installed, major_version=series)
    return zips.write(tmp_path / "a.zip", f"{zips.SQL}\n-- {json.dumps(held)}", about).read_bytes()


def begun(branch: Branch, size: int, by: User, name: str = "shop.zip") -> Upload:
    return story_of.begin(branch=branch, name=name, size=size, by=by)


def sent(branch: Branch, data: bytes, by: User) -> Upload:
    return story_of.receive(begun(branch, len(data), by), 0, io.BytesIO(data))


def looked_at(stage: Scenery, branch: Branch, data: bytes, by: User) -> Upload:
    upload = sent(branch, data, by)
    kept.tell(stage, upload)
    return Upload.objects.select_related("story").get(pk=upload.pk)


def end(stage: Scenery, restore: Restore) -> Restore:
    kept.tell(stage, restore)
    for each in Backup.objects.exclude(state=State.DONE):
        kept.tell(stage, each)
    return Restore.objects.select_related("story").get(pk=restore.pk)


# --- received ---------------------------------------------------------------------------------------------------------
def test_it_comes_in_pieces_and_goes_on_where_it_ended(branch: Branch, alice: User) -> None:
    upload = begun(branch, 10, alice)
    assert story_of.receive(upload, 0, io.BytesIO(b"0123")).received_bytes == 4
    assert begun(branch, 10, alice) == upload
    assert begun(branch, 10, alice).received_bytes == 4
    upload = story_of.receive(upload, 4, io.BytesIO(b"456789"))
    assert story_of.coming(upload).read_bytes() == b"0123456789"
    assert upload.story is not None
    assert begun(branch, 10, alice) != upload


@pytest.mark.parametrize("offset", [0, 3, 5, 10])
def test_a_piece_that_goes_elsewhere_is_refused_with_where_it_should(branch: Branch, alice: User, offset: int) -> None:
    upload = begun(branch, 10, alice)
    story_of.receive(upload, 0, io.BytesIO(b"0123"))
    with pytest.raises(story_of.Elsewhere) as refused:
        story_of.receive(upload, offset, io.BytesIO(b"x"))
    assert refused.value.there == 4
    assert story_of.coming(upload).read_bytes() == b"0123"


def test_no_more_comes_than_was_said(branch: Branch, alice: User) -> None:
    upload = begun(branch, 3, alice)
    with pytest.raises(story_of.Elsewhere):
        story_of.receive(upload, 0, io.BytesIO(b"0123"))
    assert not story_of.coming(upload).exists()


def test_what_a_killed_process_left_is_written_over(branch: Branch, alice: User) -> None:
    upload = begun(branch, 10, alice)
    story_of.receive(upload, 0, io.BytesIO(b"0123"))
    with story_of.coming(upload).open("ab") as file:
        file.write(b"half a piece")
    story_of.receive(upload, 4, io.BytesIO(b"45"))
    assert story_of.coming(upload).read_bytes() == b"012345"


def test_people_never_go_on_with_each_others(branch: Branch, people: SimpleNamespace) -> None:
    assert begun(branch, 10, people.alice) != begun(branch, 10, people.tom)


@pytest.mark.parametrize("size", [0, 21 * 1024**3])
def test_a_size_that_is_none_is_refused(branch: Branch, alice: User, size: int) -> None:
    with pytest.raises(ProjectError, match="not taken"):
        begun(branch, size, alice)


def test_what_nobody_imports_goes_after_two_days(stage: Scenery, branch: Branch, alice: User, tmp_path: Path) -> None:
    half = begun(branch, 10, alice)
    story_of.receive(half, 0, io.BytesIO(b"0123"))
    whole = looked_at(stage, branch, content(tmp_path), alice)
    story_of.forget()
    assert story_of.coming(half).exists()
    assert story_of.file(whole).exists()
    with clock.moved(story_of.KEPT + timedelta(minutes=1)):
        story_of.forget()
    assert not Upload.objects.exists()
    assert not story_of.coming(half).exists()
    assert not story_of.file(whole).exists()


def test_no_file_is_removed_through_a_link_that_the_web_processes_made(
    stage: Scenery, branch: Branch, alice: User, tmp_path: Path
) -> None:
    """Their folder is theirs; who removes what has no row is root."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").touch()
    (stage.home / "web").mkdir(exist_ok=True)
    (stage.home / "web" / "uploads").symlink_to(tmp_path / "etc")
    story_of.forget()
    assert (tmp_path / "etc" / "passwd").exists()


# --- looked at --------------------------------------------------------------------------------------------------------
def test_it_says_what_is_in_it(stage: Scenery, branch: Branch, alice: User, tmp_path: Path) -> None:
    upload = looked_at(stage, branch, content(tmp_path), alice)
    assert upload.result == Result.SUCCESS
    assert (upload.found["series"], upload.found["files"], upload.found["missing"]) == ("18.0", 1, [])


def test_modules_without_code_are_named(stage: Scenery, branch: Branch, alice: User, tmp_path: Path) -> None:
    data = content(tmp_path, modules={"base": "18.0.1.3", "studio": "1", "payroll": "1"})
    upload = looked_at(stage, branch, data, alice)
    assert upload.story is not None
    assert "payroll, studio" in upload.story.error_detail
    assert not story_of.file(upload).exists()
    with pytest.raises(ProjectError):
        restores.begin_import(branch=branch, upload=upload, by=alice)


def test_another_series_is_refused_and_nothing_changes(
    stage: Scenery, branch: Branch, alice: User, tmp_path: Path
) -> None:
    before = stage.world.summary()
    upload = looked_at(stage, branch, content(tmp_path, series="17.0"), alice)
    assert upload.story is not None
    assert (upload.result, upload.story.error_title) == (Result.FAILURE, "This is a database of Odoo 17.0")
    assert stage.world.summary() == before


def test_a_link_in_its_place_is_not_followed(stage: Scenery, branch: Branch, alice: User, tmp_path: Path) -> None:
    upload = sent(branch, content(tmp_path), alice)
    story_of.coming(upload).unlink()
    story_of.coming(upload).symlink_to(tmp_path / "a.zip")
    kept.tell(stage, upload)
    assert upload.result == Result.FAILURE
    assert (tmp_path / "a.zip").stat().st_mode & 0o777 != 0o444


# --- into production --------------------------------------------------------------------------------------------------
def test_production_is_what_was_brought_and_nothing_in_it_works_by_itself(
    stage: Scenery, branch: Branch, alice: User, tmp_path: Path
) -> None:
    upload = looked_at(stage, branch, content(tmp_path), alice)
    restore = end(stage, restores.begin_import(branch=branch, upload=upload, by=alice))
    assert restore.result == Result.SUCCESS, restore.story and restore.story.error_detail
    data = kept.data(stage, branch)
    assert data.rows == ("brought along",)
    assert data.active == {}
    assert data.parameters["web.base.url"] == kept.instance(branch).url
    store = machines.folder(kept.instance(branch)) / "data" / "filestore" / kept.instance(branch).database
    assert (store / zips.NAME.removeprefix("filestore/")).read_bytes() == zips.CONTENT
    assert [(each.kind, each.name) for each in restore.parked.all()] == [
        ("ir_cron", "Clean up"), ("ir_cron", "Send mails"), ("ir_mail_server", "mail.example.com"),
    ]  # fmt: skip
    assert Instance.objects.get(pk=kept.instance(branch).pk).login_password == ""
    assert stage.world.answer(kept.instance(branch).hostname) == OLD
    assert stage.world.wrongs == []


def test_it_is_switched_off_before_anything_starts_on_it(
    stage: Scenery, branch: Branch, alice: User, tmp_path: Path
) -> None:
    upload = looked_at(stage, branch, content(tmp_path), alice)
    order: list[str] = []
    stage.world.before = order.append
    kept.tell(stage, restores.begin_import(branch=branch, upload=upload, by=alice))
    assert order.index("switch off") < order.index("run odoo")
    assert order.index("switch off") < order.index("start web")


def test_one_by_one_they_are_switched_on(stage: Scenery, branch: Branch, alice: User, tmp_path: Path) -> None:
    upload = looked_at(stage, branch, content(tmp_path), alice)
    restore = end(stage, restores.begin_import(branch=branch, upload=upload, by=alice))
    chosen = restore.parked.get(name="Clean up")
    switch_on(parked=chosen, by=alice)
    chosen.refresh_from_db()
    assert chosen.story is not None
    stage.look(chosen)  # type: ignore[arg-type]
    chosen.refresh_from_db()
    assert chosen.switched_on_at is not None
    assert kept.data(stage, branch).active == {"ir_cron": [str(chosen.record_id)]}
    assert Parked.objects.exclude(switched_on_at=None).count() == 1
    assert [entry.object for entry in AuditEntry.objects.filter(verb="switch on")] == ["Scheduled action Clean up"]


def test_jobs_that_waited_in_it_wait_until_they_are_switched_on(
    stage: Scenery, branch: Branch, alice: User, tmp_path: Path
) -> None:
    upload = looked_at(stage, branch, content(tmp_path, jobs=1200), alice)
    restore = end(stage, restores.begin_import(branch=branch, upload=upload, by=alice))
    assert (kept.data(stage, branch).jobs, kept.data(stage, branch).parked_jobs) == (0, 1200)
    chosen = restore.parked.get(kind=Parked.Kind.JOBS)
    assert chosen.name == "1,200 jobs that waited"
    switch_on(parked=chosen, by=alice)
    chosen.refresh_from_db()
    stage.look(chosen)  # type: ignore[arg-type]
    assert (kept.data(stage, branch).jobs, kept.data(stage, branch).parked_jobs) == (1200, 0)


def test_those_of_a_database_that_is_gone_are_not_switched_on(
    stage: Scenery, branch: Branch, alice: User, tmp_path: Path
) -> None:
    upload = looked_at(stage, branch, content(tmp_path), alice)
    restore = end(stage, restores.begin_import(branch=branch, upload=upload, by=alice))
    end(stage, restores.begin_import(branch=branch, upload=upload, by=alice))
    with pytest.raises(ProjectError, match="not switched on"):
        switch_on(parked=restore.parked.all()[0], by=alice)


def test_those_of_a_database_that_was_retired_are_not_switched_on_in_the_next_one(
    stage: Scenery, branch: Branch, alice: User, tmp_path: Path
) -> None:
    """Its records have the same numbers, and are other ones."""
    upload = looked_at(stage, branch, content(tmp_path), alice)
    restore = end(stage, restores.begin_import(branch=branch, upload=upload, by=alice))
    branch.refresh_from_db()
    stages.move(branch=branch, stage=Stage.DEVELOPMENT, by=alice)
    stage.look(retired := Retired.objects.get())  # type: ignore[arg-type]
    assert Story.objects.get(pk=retired.story_id or 0).state == State.DONE
    branch.refresh_from_db()
    stages.move(branch=branch, stage=Stage.PRODUCTION, by=alice)
    assert stage.deploy(branch, OLD).result == Result.SUCCESS
    with pytest.raises(ProjectError, match="not switched on"):
        switch_on(parked=restore.parked.all()[0], by=alice)


def test_one_that_waits_to_be_switched_on_is_not_in_a_database_that_came_since(
    stage: Scenery, branch: Branch, alice: User, tmp_path: Path
) -> None:
    upload = looked_at(stage, branch, content(tmp_path), alice)
    restore = end(stage, restores.begin_import(branch=branch, upload=upload, by=alice))
    switch_on(parked=restore.parked.all()[0], by=alice)
    end(stage, restores.begin_import(branch=branch, upload=upload, by=alice))
    stage.look(restore.parked.all()[0])  # type: ignore[arg-type]
    assert kept.data(stage, branch).active == {}
    assert restore.parked.all()[0].switched_on_at is None


def test_a_file_that_an_attachment_names_is_looked_for_nowhere_else(
    stage: Scenery, branch: Branch, alice: User, tmp_path: Path
) -> None:
    """A dump may name any file of the machine, and one that no disk can have."""
    secret = tmp_path / "secret"
    secret.touch()

    def name_them(what: str) -> None:
        for data in stage.world.databases["hosted"].values() if what == "freeze" else ():
            data.files = (str(secret), "ab/" + "x" * 290) if data.rows == ("brought along",) else data.files

    upload = looked_at(stage, branch, content(tmp_path), alice)
    stage.world.before = name_them
    restore = end(stage, restores.begin_import(branch=branch, upload=upload, by=alice))
    assert restore.result == Result.WARNING, restore.story and restore.story.error_detail
    said = "".join(LogChunk.objects.filter(step__story=restore.story).values_list("text", flat=True))
    assert "2 files that attachments name are not in the archive" in said


def test_an_archive_that_an_import_waits_for_stays(stage: Scenery, branch: Branch, alice: User, tmp_path: Path) -> None:
    upload = looked_at(stage, branch, content(tmp_path), alice)
    restore = restores.begin_import(branch=branch, upload=upload, by=alice)
    with clock.moved(story_of.KEPT + timedelta(minutes=1)):
        story_of.forget()
    assert end(stage, restore).result == Result.SUCCESS


def test_what_is_no_odoo_inside_changes_nothing(stage: Scenery, branch: Branch, alice: User, tmp_path: Path) -> None:
    """The manifest may say anything."""
    upload = looked_at(stage, branch, content(tmp_path, modules={"base": "17.0.1.3"}), alice)
    before = stage.world.summary()
    restore = end(stage, restores.begin_import(branch=branch, upload=upload, by=alice))
    assert restore.story is not None
    assert restore.story.error_title == "This is a database of Odoo 17.0.1.3"
    assert stage.world.summary() == before


def test_it_survives_its_worker_wherever_that_dies(stage: Scenery, branch: Branch, alice: User, tmp_path: Path) -> None:
    upload = looked_at(stage, branch, content(tmp_path), alice)
    stage.world.seen.clear()
    end(stage, restores.begin_import(branch=branch, upload=upload, by=alice))
    for number in range(5, stage.world.seen.total(), 41):
        count = 0

        def kill(_what: str, at: int = number) -> None:
            nonlocal count
            count += 1
            if count == at:
                stage.world.dead = True
                raise Killed

        restore = restores.begin_import(branch=branch, upload=upload, by=alice)
        stage.world.before = kill
        restore = end(stage, restore)
        rounds.clear_away()
        assert restore.result == Result.SUCCESS, (number, restore.story and restore.story.error_detail)
        assert (kept.data(stage, branch).rows, kept.data(stage, branch).active) == (("brought along",), {}), number
        assert restore.parked.count() == 3, number


# --- the disk ---------------------------------------------------------------------------------------------------------
def test_an_upload_never_takes_the_last_of_the_disk(branch: Branch, alice: User, world: World) -> None:
    """Others may have filled it since it was begun."""
    upload = begun(branch, 10, alice)
    world.disk_free = databases.SPARE
    with pytest.raises(OSError, match="No space left"):
        story_of.receive(upload, 0, io.BytesIO(b"0123"))
    upload.refresh_from_db()
    assert (upload.received_bytes, story_of.coming(upload).exists()) == (0, False)


# --- into staging -----------------------------------------------------------------------------------------------------
@pytest.fixture
def staging(stage: Scenery, branch: Branch) -> Branch:
    stage.world.commits[NEW] = {"shop": "1.0"}
    made = stage.branch("next", Stage.STAGING, head=NEW)
    stage.deploy(made, NEW)
    return Branch.objects.select_related("instance", "project").get(pk=made.pk)


def lab(stage: Scenery, branch: Branch) -> tuple[str, ...]:
    served = Branch.objects.select_related("instance").get(pk=branch.pk)
    found = stage.world.databases["lab"][kept.instance(served).database]
    assert found.parameters["database.is_neutralized"] == "true"
    return found.rows


def test_a_backup_is_restored_into_staging(stage: Scenery, branch: Branch, staging: Branch, alice: User) -> None:
    backup = kept.backed_up(stage, branch)
    kept.data(stage, branch).rows += ("written after the backup",)
    build = restores.into_staging(branch=staging, backup=backup, by=alice)
    assert stage.tell(build).result == Result.SUCCESS
    rows = lab(stage, staging)
    assert "a customer" in rows
    assert "written after the backup" not in rows
    served = kept.instance(Branch.objects.select_related("instance").get(pk=staging.pk))
    assert (machines.folder(served) / "data" / "filestore" / served.database / kept.NAME).read_bytes() == kept.CONTENT
    assert not (machines.folder(served) / "backup").exists()
    assert (found := Origin.of(Build.objects.get(pk=build.pk)))
    assert (found.way, found.backup, found.moment) == (Way.BACKUP, backup.pk, backup.taken_at)


def test_what_was_brought_goes_into_staging_neutralised(
    stage: Scenery, staging: Branch, alice: User, tmp_path: Path
) -> None:
    upload = looked_at(stage, staging, content(tmp_path), alice)
    build = story_of.into_staging(branch=staging, upload=upload, by=alice)
    assert stage.tell(build).result == Result.SUCCESS
    assert lab(stage, staging) == ("brought along",)
    assert (found := Origin.of(Build.objects.get(pk=build.pk)))
    assert found.way == Way.IMPORT


@pytest.mark.parametrize("source", ["upload", "backup"])
def test_what_the_disk_has_no_room_for_is_not_brought_into_staging(
    stage: Scenery, branch: Branch, staging: Branch, alice: User, tmp_path: Path, source: str
) -> None:
    """An archive of some gigabytes may hold a thousand times as much."""
    if source == "upload":
        upload = looked_at(stage, staging, content(tmp_path), alice)
        Upload.objects.update(found=upload.found | {"bytes": 1 << 50})
        build = story_of.into_staging(branch=staging, upload=upload, by=alice)
    else:
        backup = kept.backed_up(stage, branch)
        Backup.objects.update(size_bytes=1 << 50)
        build = restores.into_staging(branch=staging, backup=backup, by=alice)
    before = stage.world.summary()["databases"]
    assert stage.tell(build).result == Result.FAILURE
    assert Story.objects.get(pk=build.story_id or 0).error_title == "Not enough disk for this copy"
    assert stage.world.summary()["databases"] == before


def test_where_it_fails_staging_goes_on_serving(stage: Scenery, branch: Branch, staging: Branch, alice: User) -> None:
    backup, before = kept.backed_up(stage, branch), staging.instance
    for manifest in (stage.home / "vaults").rglob("manifest.json"):
        manifest.write_text("{}")
    build = restores.into_staging(branch=staging, backup=backup, by=alice)
    assert stage.tell(build).result == Result.FAILURE
    assert Branch.objects.get(pk=staging.pk).instance == before
    assert Build.objects.get(pk=build.pk).instance is None or stage.world.answer(kept.instance(staging).hostname) == NEW
