"""News of branches, in whatever order it comes: the branch ends up where it is, and nothing old is built."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from builds import deliveries, rounds
from builds.deliveries import OutOfOrder, delete_branch, move_branch, take_push
from builds.models import Build, Delivery
from portal import clock
from portal.models import State, Story
from projects.models import Branch, Project, Stage
from projects.providers import Push
from tests import cast
from tests.unit.fakes import World

A, B, C = "a" * 40, "b" * 40, "c" * 40
ZERO = "0" * 40


@pytest.fixture
def project(world: World, people: SimpleNamespace) -> Project:
    project = cast.project("shop", people, token="github-token")
    cast.branch(project, "main", Stage.PRODUCTION, head=A)
    return project


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Projects whose provider is to be asked."""
    asked: list[int] = []
    monkeypatch.setattr(deliveries, "async_task", lambda _name, pk, **_options: asked.append(pk))
    return asked


def push(before: str, after: str, branch: str = "main", **changes: Any) -> Push:
    values = {
        "full_name": "acme/shop",
        "provider_id": "id-shop",
        "created": before == ZERO,
        "deleted": after == ZERO,
        "forced": False,
        "commits": 1,
        "author": "Dev",
        "message": "Change something",
        "pusher": "dev",
    }
    return Push(**{"branch": branch, "before": before, "after": after} | values | changes)  # type: ignore[arg-type]


def built(project: Project) -> list[tuple[str, str]]:
    """What was begun and not skipped."""
    waiting = Build.objects.filter(project=project).exclude(state=State.DONE).order_by("pk")
    return [(build.branch.name, build.commit) for build in waiting]


def test_a_push_is_built(project: Project) -> None:
    assert take_push(project, push(A, B)) == "build 1"
    assert built(project) == [("main", B)]
    build = Build.objects.get()
    assert (build.stage, build.author, build.message) == (Stage.PRODUCTION, "Dev", "Change something")


def test_a_new_branch_is_for_development(project: Project) -> None:
    take_push(project, push(ZERO, B, "feature/x"))
    assert Branch.objects.get(name="feature/x").stage == Stage.DEVELOPMENT


def test_the_first_push_of_a_repository_that_was_empty_is_production(project: Project) -> None:
    Branch.objects.update(head="")
    take_push(project, push(ZERO, B))
    assert Build.objects.get().stage == Stage.PRODUCTION


def test_a_force_push_is_built(project: Project) -> None:
    take_push(project, push(A, C))
    assert take_push(project, push(C, B, forced=True)) == "build 2"
    assert built(project) == [("main", B)]


def test_a_push_that_is_known_from_a_poll_is_not_built_twice(project: Project) -> None:
    move_branch(project, "main", B, before=A)
    assert take_push(project, push(A, B)).startswith("known already")
    assert built(project) == [("main", B)]


def test_a_head_that_is_known_but_was_never_built_is_built(project: Project) -> None:
    """It was pushed while the project was being connected."""
    assert take_push(project, push(ZERO, A)) == "build 1"


def test_of_two_deliveries_in_the_wrong_order_neither_is_believed_but_github(
    project: Project,
    world: World,
    asked: list[int],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    world.heads = {"main": C}
    with django_capture_on_commit_callbacks(execute=True):
        assert take_push(project, push(B, C)).startswith("out of order")
    assert asked == [project.pk]
    rounds.ask(project.pk)
    with django_capture_on_commit_callbacks(execute=True):
        assert take_push(project, push(A, B)).startswith("out of order")
    rounds.ask(project.pk)
    assert built(project) == [("main", C)]
    assert Build.objects.count() == 1


def test_an_old_delivery_that_is_replayed_changes_nothing(project: Project, world: World, asked: list[int]) -> None:
    take_push(project, push(A, B))
    take_push(project, push(B, C))
    take_push(project, push(A, B))
    assert Branch.objects.get().head == C
    assert built(project) == [("main", C)]


def test_a_branch_that_was_deleted_begins_anew(project: Project) -> None:
    take_push(project, push(ZERO, B, "feature"))
    take_push(project, push(B, ZERO, "feature"))
    assert Branch.objects.alive().filter(name="feature").count() == 0
    take_push(project, push(ZERO, C, "feature"))
    branch = Branch.objects.alive().get(name="feature")
    assert branch.head == C
    assert branch.builds.count() == 2


def test_what_is_built_of_a_deleted_branch_is_cancelled(project: Project) -> None:
    take_push(project, push(ZERO, B, "feature"))
    take_push(project, push(A, B))
    take_push(project, push(B, ZERO, "feature"))
    wanted = Story.objects.filter(cancel_requested=True)
    assert [story.subject for story in wanted] == [Branch.objects.get(name="feature").subject]


def test_a_deletion_older_than_what_is_known_is_not_believed(project: Project, asked: list[int]) -> None:
    take_push(project, push(ZERO, B, "feature"))
    take_push(project, push(B, C, "feature"))
    assert take_push(project, push(B, ZERO, "feature")).startswith("out of order")
    assert Branch.objects.alive().filter(name="feature").exists()


def test_production_outlives_its_branch(project: Project) -> None:
    assert "goes on serving" in take_push(project, push(A, ZERO))
    assert Branch.objects.alive().get().name == "main"


def test_what_nobody_knows_can_not_be_deleted(project: Project) -> None:
    assert take_push(project, push(B, ZERO, "feature")) == "not known: feature"


def test_another_repository_is_refused(project: Project) -> None:
    assert take_push(project, push(A, B, provider_id="id-other", full_name="evil/shop")).startswith("refused")
    assert not Build.objects.exists()


def test_a_renamed_repository_is_asked_before_its_push_is_built(
    project: Project,
    world: World,
    asked: list[int],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Its address for cloning is another one too, and where the old one leads is not followed."""
    world.repository, world.heads = "acme/store", {"main": B}
    with django_capture_on_commit_callbacks(execute=True):
        assert take_push(project, push(A, B, full_name="acme/store")).startswith("out of order")
    assert asked == [project.pk]
    rounds.ask(project.pk)
    project.refresh_from_db()
    assert (project.repository, project.clone_url) == ("acme/store", "https://github.com/acme/store.git")
    assert built(project) == [("main", B)]


# --- polling ----------------------------------------------------------------------------------------------------------
def test_a_poll_finds_what_was_missed(project: Project, world: World) -> None:
    cast.branch(project, "gone", head=C)
    world.heads = {"main": B, "new": C, "../odd": C}
    rounds.poll_project(project)
    assert built(project) == [("main", B), ("new", C)]
    assert {branch.name for branch in Branch.objects.alive()} == {"main", "new"}


def test_a_poll_of_what_is_known_begins_nothing(project: Project, world: World) -> None:
    world.heads = {"main": A}
    rounds.poll_project(project)
    assert not Build.objects.exists()


@pytest.mark.parametrize("answer", [{"main": B}, {}])
def test_a_poll_does_not_undo_what_a_delivery_brought_while_it_asked(
    project: Project, world: World, answer: dict[str, str]
) -> None:
    cast.branch(project, "feature", head=A)
    world.heads = {**answer, "feature": B} if answer else {}

    def deliver(what: str) -> None:
        if what == "list branches":
            world.before = lambda _what: None
            take_push(project, push(A, C))
            take_push(project, push(A, C, "feature"))
            take_push(project, push(ZERO, C, "later"))

    world.before = deliver
    rounds.poll_project(project)
    assert {branch.name: branch.head for branch in Branch.objects.alive()} == {"main": C, "feature": C, "later": C}
    assert built(project) == [("main", C), ("feature", C), ("later", C)]


def test_news_that_does_not_follow_what_is_known_is_refused(project: Project) -> None:
    cast.branch(project, "feature", head=A)
    with pytest.raises(OutOfOrder, match=r"feature is at aaaaaaa, not at ccccccc"):
        move_branch(project, "feature", B, before=C)
    with pytest.raises(OutOfOrder, match=r"feature is at aaaaaaa, not at ccccccc"):
        delete_branch(project, "feature", before=C)
    with pytest.raises(OutOfOrder, match=r"new is at nowhere, not at ccccccc"):
        move_branch(project, "new", B, before=C)
    assert {branch.name: branch.head for branch in Branch.objects.all()} == {"main": A, "feature": A}


# --- forgotten deliveries ---------------------------------------------------------------------------------------------
def stored(project: Project, guid: str, body: bytes) -> Delivery:
    return Delivery.objects.create(project=project, guid=guid, event="push", body=body)


def test_one_delivery_that_breaks_us_keeps_no_other_waiting(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = stored(project, "bad", b"{}"), stored(project, "good", b"{}")
    real = deliveries._act

    def act(delivery: Delivery) -> str:
        if delivery.pk == bad.pk:
            raise RuntimeError("what nobody thought of")
        return real(delivery)

    monkeypatch.setattr(deliveries, "_act", act)
    assert deliveries.look_into_forgotten() == 2
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.outcome, good.outcome[:7]) == ("", "refused")
    with clock.moved(deliveries.PATIENCE + timedelta(minutes=1)):
        deliveries.look_into_forgotten()
    bad.refresh_from_db()
    assert bad.outcome.startswith("given up")
    assert deliveries.look_into_forgotten() == 0
