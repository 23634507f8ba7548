"""Projects by the API: made of a repository, deleted with the name sent, brought back."""

from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from builds import deletion
from builds.models import Build
from hosting.models import Backup
from portal import clock
from portal.models import AuditEntry, State
from projects.models import Member, Project, Role, Stage
from tests import cast
from tests.apis import Caller
from tests.unit.fakes import World

HEAD = "a" * 40
BODY = {"repository": "acme/shop", "slug": "shop", "series": "18.0"}


@pytest.fixture
def alice(world: World, people: SimpleNamespace, settings: Settings) -> Caller:
    settings.BERTH_ODOO_IMAGES = {"18.0": "odoo:18.0"}
    cast.host()
    world.heads = {"main": HEAD, "feature": "b" * 40}
    people.alice.github_token = "gho_alice"
    people.alice.save()
    return Caller(people.alice)


@pytest.fixture
def demo(alice: Caller, people: SimpleNamespace) -> Project:
    """With production that serves."""
    project = cast.project("demo", people)
    main = cast.branch(
        project, "main", Stage.PRODUCTION, instance=cast.instance(Stage.PRODUCTION, "demo.localhost"), head=HEAD
    )
    assert main.instance is not None
    cast.build(main, pool=main.instance.live_pool)
    return project


# --- made -------------------------------------------------------------------------------------------------------------
def test_a_repository_becomes_a_project_with_its_first_build(alice: Caller, people: SimpleNamespace) -> None:
    listed = alice.send("get", "repositories/").json()
    assert [(each["full_name"], each["connected"]) for each in listed["repositories"]] == [("acme/shop", False)]

    answer = alice.send("post", "projects/", BODY, Idempotency_Key="p1")

    build = Build.objects.get()
    assert answer.status_code == 202, answer.content
    assert (answer.json()["project"]["slug"], answer.json()["operation"]) == ("shop", build.story_id)
    assert (build.commit, build.stage, build.asked_by) == (HEAD, Stage.PRODUCTION, people.alice)
    assert alice.send("post", "projects/", BODY, Idempotency_Key="p1").json() == answer.json()
    assert Project.objects.count() == 1
    assert alice.send("get", "repositories/").json()["repositories"][0]["connected"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"slug": "operator"}, 409),
        ({"slug": "demo"}, 409),
        ({"slug": "Not An Address"}, 400),
        ({"series": "7.0"}, 409),
        ({"repository": "https://github.com/acme/shop"}, 400),
        ({"code": "NO-SUCH-CODE"}, 409),
    ],
)
def test_what_can_not_be_made_is_refused_and_leaves_nothing(
    change: dict[str, str], code: int, alice: Caller, demo: Project
) -> None:
    answer = alice.send("post", "projects/", BODY | change)

    assert answer.status_code == code, answer.content
    assert list(Project.objects.all()) == [demo]


def test_who_has_no_account_at_github_makes_none(alice: Caller, people: SimpleNamespace) -> None:
    answer = Caller(people.oscar).send("post", "projects/", BODY)

    assert (answer.status_code, "GitHub" in answer.json()["detail"]) == (409, True)
    assert "GitHub" in Caller(people.oscar).send("get", "repositories/").json()["error"]


def test_a_token_for_one_project_makes_no_other(people: SimpleNamespace, demo: Project) -> None:
    narrow = Caller(people.alice, project_id=demo.pk)

    assert narrow.send("post", "projects/", BODY).status_code == 403
    assert narrow.send("get", "repositories/").status_code == 403


# --- deleted ----------------------------------------------------------------------------------------------------------
def test_deleting_takes_the_name_and_is_foretold(alice: Caller, demo: Project) -> None:
    path = "projects/demo/delete/"

    foretold = alice.send("post", f"{path}?dry_run=1", {}).json()
    refused = [alice.send("post", path, body).status_code for body in ({}, {"confirm": "Demo"})]

    assert foretold["would"][0] == "Production is backed up a last time."
    assert "30 days" in foretold["lost"][0]
    assert refused == [409, 409]
    demo.refresh_from_db()
    assert demo.deleted_at is None
    assert not Backup.objects.exists()


def test_a_dry_run_says_where_there_is_no_last_backup(alice: Caller, people: SimpleNamespace) -> None:
    cast.branch(cast.project("empty", people), "main", Stage.PRODUCTION)

    foretold = alice.send("post", "projects/empty/delete/?dry_run=1", {}).json()

    assert "no production database yet" in foretold["would"][0]


def test_a_deleted_project_is_seen_by_its_admins_alone_and_comes_back(
    alice: Caller, people: SimpleNamespace, demo: Project
) -> None:
    answer = alice.send("post", "projects/demo/delete/", {"confirm": "demo"})

    assert answer.status_code == 202, answer.content
    assert (answer.json()["days_left"], answer.json()["closing"]) == (30, True)
    assert Backup.objects.get().state != State.DONE
    assert alice.send("get", "projects/demo/").status_code == 404
    listed = [caller.send("get", "deleted-projects/").json()["results"] for caller in (alice, Caller(people.dev))]
    assert [[each["slug"] for each in rows] for rows in listed] == [["demo"], []]

    back = alice.send("post", "deleted-projects/demo/undo/")

    assert (back.status_code, back.json()["project"]["slug"], back.json()["operation"]) == (202, "demo", None)
    assert alice.send("get", "projects/demo/").status_code == 200
    assert AuditEntry.objects.filter(verb="undo deletion of project", by="alice").exists()


def test_what_was_closed_is_deployed_anew_when_it_comes_back(alice: Caller, demo: Project) -> None:
    deletion.delete(project=demo, typed="demo", by=alice.token.user)
    main = demo.branches.get()
    assert main.instance is not None
    main.instance.pools.update(state="gone")
    main.instance.live_pool, main.instance.door = None, "stopped"
    main.instance.save()

    back = alice.send("post", "deleted-projects/demo/undo/").json()

    build = Build.objects.exclude(state=State.DONE).get()
    assert back["operation"] == build.story_id


def test_a_token_for_one_project_sees_no_other_that_was_deleted(people: SimpleNamespace, demo: Project) -> None:
    gone = cast.project("gone", deleted_at=clock.now(), hours_left=5)
    Member.objects.create(project=gone, user=people.alice, role=Role.ADMIN)
    narrow = Caller(people.alice, project_id=demo.pk)

    assert narrow.send("get", "deleted-projects/").json()["results"] == []
    assert narrow.send("get", "deleted-projects/gone/").status_code == 404
    assert narrow.send("post", "deleted-projects/gone/undo/").status_code == 404


def test_a_list_of_deleted_projects_takes_the_same_queries_however_long_it_is(people: SimpleNamespace) -> None:
    def deleted(slug: str) -> Project:
        return cast.project(slug, people, deleted_at=clock.now(), hours_left=5)

    def asked() -> tuple[int, dict[str, bool]]:
        with CaptureQueriesContext(connection) as queries:
            rows = caller.send("get", "deleted-projects/").json()["results"]
        return len(queries), {row["slug"]: row["closing"] for row in rows}

    caller, serving = Caller(people.alice), cast.instance(Stage.PRODUCTION, "one.localhost")
    cast.branch(deleted("one"), "main", Stage.PRODUCTION, instance=serving)
    asked()
    few, closing = asked()
    assert closing == {"one": True}

    for number in range(5):
        deleted(f"more-{number}")
    many, closing = asked()

    assert (many, len(closing), closing["one"], closing["more-0"]) == (few, 6, True, False)
