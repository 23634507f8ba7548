"""Archives brought by the API: sent in pieces, shown with what is in them, imported; and switched on what an import
switched off.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_django import Settings

from builds import upload as story_of
from builds.models import Build, Restore, Upload
from hosting import databases
from portal.models import AuditEntry, Result, Scope, State, Story
from projects.models import Branch, Member, Project, Role, Stage
from tests import cast
from tests.apis import Caller
from tests.unit.fakes.world import World

HEAD = "a" * 40


@pytest.fixture
def project(people: SimpleNamespace, settings: Settings, tmp_path: Path) -> Project:
    settings.BERTH_HOME = tmp_path
    return cast.project("demo", people)


@pytest.fixture
def main(project: Project) -> Branch:
    return cast.branch(project, "main", Stage.PRODUCTION, instance=cast.instance(Stage.PRODUCTION, "demo.localhost"))


@pytest.fixture
def alice(people: SimpleNamespace, main: Branch) -> Caller:
    return Caller(people.alice)


def home(branch: Branch) -> str:
    return f"projects/demo/branches/{branch.pk}/"


def begin(caller: Caller, branch: Branch, size: int = 6, name: str = "shop.zip") -> Any:
    return caller.send("post", f"{home(branch)}uploads/", {"name": name, "size": size})


def send(caller: Caller, upload: Upload, offset: object, piece: bytes | None) -> Any:
    return caller.send("post", f"{home(upload.branch)}uploads/{upload.pk}/piece/?offset={offset}", piece)


def deeds() -> list[tuple[str, str]]:
    """What the audit log has, and of whom, but for the making of tokens."""
    return [(entry.verb, entry.by) for entry in AuditEntry.objects.exclude(verb="make token").order_by("pk")]


def done(story: Story | None, result: Result = Result.SUCCESS) -> None:
    assert story is not None
    Story.objects.filter(pk=story.pk).update(state=State.DONE, result=result)


# --- brought ----------------------------------------------------------------------------------------------------------
def test_an_archive_is_sent_in_pieces_and_gone_on_with(alice: Caller, main: Branch) -> None:
    begun = begin(alice, main)
    upload = Upload.objects.get()
    assert (begun.status_code, begun.json()["id"], begun.json()["received_bytes"]) == (200, upload.pk, 0)

    assert send(alice, upload, 0, b"abc").json()["received_bytes"] == 3
    again = begin(alice, main).json()
    assert (again["id"], again["received_bytes"], again["operation"]) == (upload.pk, 3, None)
    last = send(alice, upload, 3, b"def").json()

    upload.refresh_from_db()
    assert story_of.coming(upload).read_bytes() == b"abcdef"
    assert (last["received_bytes"], last["operation"]) == (6, upload.story_id)
    operation = alice.send("get", f"projects/demo/operations/{upload.story_id}/").json()
    assert (operation["kind"], operation["confirmed"]) == ("upload", None)
    assert operation["about"] == f"/api/v1/{home(main)}uploads/{upload.pk}/"
    assert deeds() == [("upload", "alice")]


def test_a_piece_that_is_sent_twice_is_taken_once(alice: Caller, main: Branch) -> None:
    begin(alice, main)
    upload = Upload.objects.get()
    send(alice, upload, 0, b"abc")

    again = send(alice, upload, 0, b"xyz")

    assert (again.status_code, again["Content-Type"]) == (409, "application/problem+json")
    assert again.json()["detail"] == "3 of 6 bytes are there, and stay. Nothing of this piece was taken."
    assert again.json()["remedy"] == "Send what follows them, from offset 3 on."
    assert story_of.coming(upload).read_bytes() == b"abc"


def test_of_what_is_whole_no_piece_is_taken(alice: Caller, main: Branch) -> None:
    begin(alice, main, 3)
    upload = Upload.objects.get()
    send(alice, upload, 0, b"abc")

    for offset, remedy in ((0, "All of it is there already."), (3, "Send no more than is left of it,")):
        refused = send(alice, upload, offset, b"d")
        assert refused.status_code == 409
        assert refused.json()["remedy"].startswith(remedy)
    assert Story.objects.filter(kind="upload").count() == 1


@pytest.mark.parametrize(
    ("piece", "remedy"),
    [(b"12345", "Send at most 4 bytes at once."), (b"123", "or begin another upload with the file's true size.")],
)
def test_a_piece_that_is_too_long_says_so(
    alice: Caller, main: Branch, monkeypatch: pytest.MonkeyPatch, piece: bytes, remedy: str
) -> None:
    monkeypatch.setattr(story_of, "PIECE", 4)
    begin(alice, main, 2)
    upload = Upload.objects.get()

    refused = send(alice, upload, 0, piece)

    assert refused.status_code == 409
    assert refused.json()["remedy"].endswith(remedy)
    assert not story_of.coming(upload).exists()


@pytest.mark.parametrize("offset", ["", "-1", "x", "1.5", 2**63, "0&offset=0", "0&piece=1"])
def test_an_offset_that_is_none_is_refused(alice: Caller, main: Branch, offset: object) -> None:
    begin(alice, main)

    refused = send(alice, Upload.objects.get(), offset, b"abc")

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["name"] in ("offset", "piece")
    assert Upload.objects.get().received_bytes == 0


def test_a_piece_is_bytes_and_has_some(alice: Caller, main: Branch) -> None:
    begin(alice, main)
    path = f"{home(main)}uploads/{Upload.objects.get().pk}/piece/?offset=0"

    assert alice.send("post", path, {"piece": "abc"}).status_code == 415
    nothing = alice.send("post", path, b"")
    assert (nothing.status_code, nothing["Content-Type"]) == (400, "application/problem+json")
    assert "no bytes in the body" in nothing.json()["detail"]


def test_a_full_disk_is_the_operators_and_what_came_stays(alice: Caller, main: Branch, world: World) -> None:
    begin(alice, main)
    upload = Upload.objects.get()
    send(alice, upload, 0, b"abc")
    world.disk_free = databases.SPARE

    refused = send(alice, upload, 3, b"def")

    assert refused.status_code == 503
    assert "No space left on device. What came before is there" in refused.json()["detail"]
    assert Upload.objects.get().received_bytes == 3


@pytest.mark.parametrize("size", [0, -1, "6", 1.5, None, 20 * 1024**3 + 1, 2**70])
def test_a_size_that_is_none_is_refused(alice: Caller, main: Branch, size: Any) -> None:
    refused = begin(alice, main, size)
    assert (refused.status_code, refused.json()["errors"][0]["name"]) == (400, "size")
    assert not Upload.objects.exists()


def test_one_is_nobody_elses(alice: Caller, main: Branch, people: SimpleNamespace) -> None:
    upload, tom = cast.upload(main, people.alice), Caller(people.tom)
    Member.objects.filter(user=people.tom).update(role=Role.ADMIN)

    assert tom.send("get", f"{home(main)}uploads/").json()["results"] == []
    assert tom.send("get", f"{home(main)}uploads/{upload.pk}/").status_code == 404
    assert send(tom, upload, 0, b"abc").status_code == 404
    assert tom.send("post", f"{home(main)}uploads/{upload.pk}/import/", {"confirm": "demo"}).status_code == 404
    assert [row["id"] for row in alice.send("get", f"{home(main)}uploads/").json()["results"]] == [upload.pk]


# --- shown ------------------------------------------------------------------------------------------------------------
def test_what_is_in_it_is_shown(alice: Caller, main: Branch, people: SimpleNamespace) -> None:
    shown = alice.send("get", f"{home(main)}uploads/{cast.upload(main, people.alice).pk}/").json()

    assert {name: shown["found"][name] for name in ("form", "series", "modules", "missing")} == {
        "form": "zip",
        "series": "18.0",
        "modules": {"base": "1", "web": "1"},
        "missing": [],
    }
    assert (shown["state"], shown["result"], shown["error"], shown["refused"]) == ("done", "success", None, "")


def test_why_it_was_refused_is_shown(alice: Caller, main: Branch, people: SimpleNamespace) -> None:
    upload = cast.upload(main, people.alice, Result.FAILURE, error_title="The zip is damaged", error_remedy="Again.")
    Upload.objects.update(found={})

    shown = alice.send("get", f"{home(main)}uploads/{upload.pk}/").json()

    assert (shown["found"], shown["error"]["title"]) == (None, "The zip is damaged")
    assert "looked at, and found good" in shown["refused"]
    operation = alice.send("get", f"projects/demo/operations/{upload.story_id}/").json()
    assert (operation["confirmed"], operation["error"]["remedy"]) == (False, "Again.")


# --- imported ---------------------------------------------------------------------------------------------------------
def imported(caller: Caller, upload: Upload, query: str = "", confirm: str = "demo") -> Any:
    body = {} if query else {"confirm": confirm}
    return caller.send("post", f"{home(upload.branch)}uploads/{upload.pk}/import/{query}", body)


def test_it_becomes_productions_database(alice: Caller, main: Branch, people: SimpleNamespace) -> None:
    upload = cast.upload(main, people.alice)

    begun = imported(alice, upload)

    restore = Restore.objects.get()
    assert (begun.status_code, begun.json()["id"], begun.json()["kind"]) == (202, restore.story_id, "restore")
    assert begun.json()["about"] == f"/api/v1/{home(main)}imports/{restore.pk}/"
    assert (restore.upload, restore.imported, restore.asked_by) == (upload, True, people.alice)
    assert deeds() == [("import", "alice")]
    assert imported(alice, upload).json()["detail"] == "A restore of this branch is going on already."
    assert Restore.objects.count() == 1


def test_an_import_is_cancelled_as_any_operation(alice: Caller, main: Branch, people: SimpleNamespace) -> None:
    story = imported(alice, cast.upload(main, people.alice)).json()["id"]

    assert alice.send("post", f"projects/demo/operations/{story}/cancel/").status_code == 202

    assert Story.objects.get(pk=story).cancel_requested
    assert deeds() == [("import", "alice"), ("cancel restore", "alice")]


def test_what_looks_at_an_archive_is_not_cancelled(alice: Caller, main: Branch) -> None:
    begin(alice, main, 3)
    send(alice, Upload.objects.get(), 0, b"abc")

    refused = alice.send("post", f"projects/demo/operations/{Upload.objects.get().story_id}/cancel/")

    assert (refused.status_code, refused.json()["detail"]) == (409, "It goes on.")


def test_without_the_projects_name_nothing_is_imported(alice: Caller, main: Branch, people: SimpleNamespace) -> None:
    upload = cast.upload(main, people.alice)
    for answer in (imported(alice, upload, confirm="main"), imported(alice, upload, "?dry_run=0")):
        assert (answer.status_code, answer.json()["errors"][0]["name"]) == (409, "confirm")
    assert not Restore.objects.exists()


def test_a_dry_run_says_what_is_lost_and_does_nothing(alice: Caller, main: Branch, people: SimpleNamespace) -> None:
    said = imported(alice, cast.upload(main, people.alice), "?dry_run=1")

    assert said.status_code == 200
    assert (said.json()["refused"], len(said.json()["would"])) == ("", 6)
    assert "All that production holds now" in said.json()["lost"][0]
    assert not Restore.objects.exists()
    assert deeds() == []


def test_what_was_found_bad_is_not_imported(alice: Caller, main: Branch, people: SimpleNamespace) -> None:
    upload = cast.upload(main, people.alice, Result.FAILURE)

    assert "looked at, and found good" in imported(alice, upload, "?dry_run=1").json()["refused"]
    assert imported(alice, upload).status_code == 409
    assert not Restore.objects.exists()


def test_into_staging_a_build_of_the_newest_commit_begins(alice: Caller, main: Branch, people: SimpleNamespace) -> None:
    staging = cast.branch(main.project, "next", Stage.STAGING)
    upload = cast.upload(staging, people.alice)
    assert imported(alice, upload).json()["detail"] == "The branch has no commit yet."
    assert imported(alice, upload, "?dry_run=1").json()["refused"] == "The branch has no commit yet."
    Branch.objects.filter(pk=staging.pk).update(head=HEAD)
    assert "neutralised" in imported(alice, upload, "?dry_run=1").json()["would"][1]

    begun = imported(alice, upload)

    build = Build.objects.get()
    assert (begun.status_code, begun.json()["id"], begun.json()["kind"]) == (202, build.story_id, "deploy")
    assert (build.from_upload, build.commit) == (upload, HEAD)


def test_no_weaker_token_brings_or_imports_anything(alice: Caller, main: Branch, people: SimpleNamespace) -> None:
    upload, weak = cast.upload(main, people.alice), Caller(people.alice, Scope.DEPLOY)

    assert [begin(weak, main).status_code, send(weak, upload, 0, b"a").status_code] == [403, 403]
    assert imported(weak, upload).status_code == 403
    assert weak.send("get", f"{home(main)}uploads/{upload.pk}/").status_code == 200


# --- what was switched off --------------------------------------------------------------------------------------------
@pytest.fixture
def restore(main: Branch) -> Restore:
    made = cast.imported(main)
    cast.parked(made)
    cast.parked(made, 8)
    return made


def test_what_is_off_is_listed_and_switched_on_one_by_one(alice: Caller, main: Branch, restore: Restore) -> None:
    path, off = f"{home(main)}imports/{restore.pk}/", restore.parked.get(record_id=7)
    assert [row["id"] for row in alice.send("get", f"{home(main)}imports/").json()["results"]] == [restore.pk]
    assert alice.send("get", path).json()["current"] is True
    listed = alice.send("get", f"{path}switched-off/").json()["results"]
    assert [(row["kind"], row["switched_on_at"]) for row in listed] == [("ir_cron", None)] * 2

    begun = alice.send("post", f"{path}switched-off/{off.pk}/switch-on/")

    off.refresh_from_db()
    assert (begun.status_code, begun.json()["id"], begun.json()["about"]) == (202, off.story_id, f"/api/v1/{path}")
    assert deeds() == [("switch on", "alice")]
    again = alice.send("post", f"{path}switched-off/{off.pk}/switch-on/")
    assert (again.status_code, again.json()["id"]) == (202, off.story_id)
    assert deeds() == [("switch on", "alice")]


def test_whether_it_is_on_is_read_from_its_row(alice: Caller, main: Branch, restore: Restore) -> None:
    off = restore.parked.get(record_id=7)
    path = f"{home(main)}imports/{restore.pk}/switched-off/{off.pk}/switch-on/"
    story = alice.send("post", path).json()["id"]
    done(Story.objects.get(pk=story))

    ended = alice.send("get", f"projects/demo/operations/{story}/").json()

    assert (ended["result"], ended["confirmed"]) == ("success", False)
    assert ended["finding"] == "Scheduled action Send mails is still off."


def test_after_another_restore_nothing_is_switched_on(alice: Caller, main: Branch, restore: Restore) -> None:
    Restore.objects.create(branch=main, switched_at=restore.switched_at)
    path, off = f"{home(main)}imports/{restore.pk}/", restore.parked.get(record_id=7)

    assert alice.send("get", path).json()["current"] is False
    refused = alice.send("post", f"{path}switched-off/{off.pk}/switch-on/")

    assert (refused.status_code, refused.json()["detail"]) == (409, "Production has another database by now.")


def test_those_of_another_import_are_not_switched_on(alice: Caller, main: Branch, restore: Restore) -> None:
    other, off = cast.imported(main), restore.parked.get(record_id=7)

    assert alice.send("post", f"{home(main)}imports/{other.pk}/switched-off/{off.pk}/switch-on/").status_code == 404
    assert not Story.objects.filter(kind="switch-on").exists()


def test_a_restore_of_a_backup_is_no_import(alice: Caller, main: Branch) -> None:
    restored = Restore.objects.create(branch=main)

    assert alice.send("get", f"{home(main)}imports/").json()["results"] == []
    assert alice.send("get", f"{home(main)}imports/{restored.pk}/").status_code == 404
