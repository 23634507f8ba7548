"""Builds begin: numbered, one after the other per branch, the newest push in place of those that wait."""

from types import SimpleNamespace

import pytest

from builds.begin import SKIPPED, begin, cancel, rebuild
from builds.models import Build
from portal import clock, stories
from portal.models import AuditEntry, Result, State, Story
from projects.models import Branch, Project, Stage
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(people: SimpleNamespace) -> Project:
    return cast.project("shop", people)


@pytest.fixture
def branch(project: Project) -> Branch:
    return cast.branch(project, "main", Stage.PRODUCTION)


def push(branch: Branch, commit: str) -> Build:
    return begin(branch=branch, commit=commit * 40, by=None)


def state(build: Build) -> tuple[str, str, str]:
    build.refresh_from_db()
    story = Story.objects.get(pk=build.story_id or 0)
    assert (story.state, story.result) == (build.state, build.result)
    return build.state, build.result, build.verdict


def running(build: Build) -> None:
    Story.objects.filter(pk=build.story_id or 0).update(state=State.RUNNING, claim="x", started_at=clock.now())
    Build.objects.filter(pk=build.pk).update(state=State.RUNNING)


def test_builds_are_numbered_per_project(project: Project, branch: Branch) -> None:
    other = cast.branch(cast.project("other"), "main")
    builds = [push(branch, "1"), push(branch, "2"), push(other, "3")]
    assert [build.number for build in builds] == [1, 2, 1]


def test_a_build_is_told_on_the_queue_of_deploys_one_per_branch_at_a_time(branch: Branch) -> None:
    story = Story.objects.get(pk=push(branch, "1").story_id or 0)
    assert (story.kind, story.queue, story.subject) == ("deploy", "deploy", branch.subject)


def test_a_push_takes_the_place_of_builds_that_wait(branch: Branch) -> None:
    first, second, third = (push(branch, commit) for commit in "123")
    assert state(first) == state(second) == (State.DONE, Result.CANCELLED, SKIPPED)
    assert state(third) == (State.QUEUED, "", "")


def test_a_build_that_goes_on_is_let_be(branch: Branch) -> None:
    first = push(branch, "1")
    running(first)
    second, third = push(branch, "2"), push(branch, "3")
    assert state(first)[0] == State.RUNNING
    assert state(second)[1] == Result.CANCELLED
    assert state(third)[0] == State.QUEUED


def test_a_build_that_was_begun_and_handed_over_is_let_be(branch: Branch) -> None:
    first = push(branch, "1")
    running(first)
    Story.objects.update(state=State.QUEUED, claim="")
    push(branch, "2")
    assert Story.objects.get(pk=first.story_id or 0).state == State.QUEUED


def test_other_branches_and_other_stories_are_let_be(project: Project, branch: Branch) -> None:
    other = push(cast.branch(project, "feature"), "1")
    backup = Story.objects.create(kind="backup", queue="background", subject=branch.subject, object_id=1)
    push(branch, "2")
    assert state(other)[0] == State.QUEUED
    assert Story.objects.get(pk=backup.pk).state == State.QUEUED


def test_what_a_person_asks_for_takes_nobodys_place(branch: Branch, people: SimpleNamespace) -> None:
    first = push(branch, "1")
    begin(branch=branch, commit="2" * 40, by=people.alice)
    assert state(first)[0] == State.QUEUED


def test_an_author_of_any_length_is_cut(branch: Branch) -> None:
    build = begin(branch=branch, commit="1" * 40, by=None, author="Å" * 1000)
    build.refresh_from_db()
    assert build.author == "Å" * 200


def test_a_rebuild_is_the_same_commit_and_is_audited(branch: Branch, people: SimpleNamespace) -> None:
    first = begin(branch=branch, commit="1" * 40, by=None, message="Lend books", author="Dev")
    again = rebuild(build=first, by=people.alice)
    assert (again.commit, again.message, again.author, again.asked_by) == ("1" * 40, "Lend books", "Dev", people.alice)
    entry = AuditEntry.objects.latest("pk")
    assert (entry.by, entry.verb, entry.after) == ("alice", "rebuild", {"build": 2})


def test_who_cancels_is_audited_and_heard(
    branch: Branch, people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(stories, "ring", lambda story: rung.append(story.pk))
    build = push(branch, "1")
    cancel(build=build, by=people.alice)
    assert Story.objects.get().cancel_requested
    assert rung == [build.story_id]
    assert AuditEntry.objects.latest("pk").verb == "cancel build"


def test_a_build_that_is_over_can_not_be_cancelled(branch: Branch, people: SimpleNamespace) -> None:
    build = cast.build(branch)
    cancel(build=build, by=people.alice)
    assert not AuditEntry.objects.exists()
    assert not Story.objects.get(pk=build.story_id or 0).cancel_requested
