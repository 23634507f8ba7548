"""Commit statuses: GitHub hears at the start and at the end, and what it missed later."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from builds import statuses
from builds.models import Build
from portal import clock
from portal.models import Result
from projects.models import Branch, Project, Stage
from projects.providers import Forbidden, Unreachable
from tests import cast
from tests.unit.fakes import World
from tests.unit.fakes.github import FakeGitHub


@pytest.fixture
def branch(world: World) -> Branch:
    return cast.branch(cast.project("shop", token="github-token"), "main", Stage.PRODUCTION)


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (None, "pending"),
        (Result.SUCCESS, "success"),
        (Result.WARNING, "success"),
        (Result.FAILURE, "failure"),
        (Result.CANCELLED, "failure"),
    ],
)
def test_each_result_has_its_state(branch: Branch, world: World, result: Result | None, state: str) -> None:
    build = cast.build(branch, result=result)
    statuses.send(build)
    statuses.send(build)
    assert world.statuses == [(build.commit, state)]
    assert Build.objects.get().status_sent == state


@pytest.mark.parametrize(
    ("stage", "word"), [("production", "production"), ("staging", "staging"), ("development", "dev")]
)
def test_it_names_the_stage_the_verdict_and_the_page(
    branch: Branch, monkeypatch: pytest.MonkeyPatch, stage: str, word: str
) -> None:
    told: dict[str, str] = {}
    monkeypatch.setattr(FakeGitHub, "set_commit_status", lambda *_, **named: told.update(named))
    statuses.send(cast.build(branch, stage=stage, verdict="x" * 300))
    assert told["context"] == f"ci/berth ({word})"
    assert told["description"] == "x" * 140
    assert told["target_url"].endswith("/shop/builds/1/")


def test_a_refusal_hurts_nobody_and_is_made_good(branch: Branch, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    build = cast.build(branch)
    with monkeypatch.context() as patch:
        patch.setattr(FakeGitHub, "set_commit_status", refusing(Unreachable("No answer."), []))
        statuses.send(build)
    assert Build.objects.get().status_sent == ""
    statuses.send_missing()
    assert world.statuses == [(build.commit, "success")]


def test_only_what_is_missing_and_recent_is_sent_again(branch: Branch, world: World) -> None:
    old = cast.build(branch)
    Build.objects.filter(pk=old.pk).update(started_at=clock.now() - timedelta(days=2))
    cast.build(branch, status_sent="success")
    pending = cast.build(branch, status_sent="pending")
    Build.objects.filter(pk=cast.build(branch).pk).update(started_at=None)  # skipped: nobody was ever told
    statuses.send_missing()
    assert world.statuses == [(pending.commit, "success")]


def test_without_a_token_nobody_is_told(branch: Branch, world: World) -> None:
    Project.objects.update(token="")
    statuses.send(cast.build(branch))
    statuses.send_missing()
    assert world.statuses == []


def test_a_project_that_is_refused_is_tried_once_a_round(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    other = cast.branch(cast.project("other", token="another-token", repository="acme/other"), "main")
    for where in (branch, branch, other):
        cast.build(where)
    tried: list[str] = []
    monkeypatch.setattr(FakeGitHub, "set_commit_status", refusing(Forbidden("The token is invalid."), tried))
    statuses.send_missing()
    assert sorted(tried) == ["acme/other", "acme/shop"]


def test_a_github_that_is_away_is_tried_once_a_round(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    other = cast.branch(cast.project("other", token="another-token"), "main")
    for where in (branch, other, other):
        cast.build(where)
    tried: list[str] = []
    monkeypatch.setattr(FakeGitHub, "set_commit_status", refusing(Unreachable("No answer."), tried))
    statuses.send_missing()
    assert len(tried) == 1


def refusing(error: Exception, tried: list[str]) -> Callable[..., None]:
    def refuse(_github: FakeGitHub, full_name: str, *_values: str, **_named: str) -> None:
        tried.append(full_name)
        raise error

    return refuse
