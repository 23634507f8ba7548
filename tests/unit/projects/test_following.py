"""A repository's life at GitHub: what is noticed in rounds, what the settings show, and what a click mends."""

import html
from dataclasses import replace
from types import SimpleNamespace

import pytest
from django.test import Client
from django.utils import timezone

from builds import begin, rounds
from builds.again import deploy_again
from builds.models import Build
from portal import alarms
from portal.models import AuditEntry, User
from projects import following
from projects.models import Branch, Project, Stage
from projects.providers import Forbidden, NotFound, ProviderError, Repository, TokenRefused, Unreachable, Webhook
from tests import cast
from tests.unit.fakes import World
from tests.unit.fakes.github import FakeGitHub

PAGE = "/shop/settings/github/"
SHA = "a" * 40
FINE = Webhook(7, "", active=True, events=("push", "repository"), last_code=202, last_message="OK")


@pytest.fixture
def project(people: SimpleNamespace, world: World) -> Project:
    User.objects.filter(pk=people.alice.pk).update(github_token="gho_alice")
    world.webhook, world.heads = FINE, {"main": SHA}
    return cast.project("shop", people, token="gho_old", webhook_id="7")


@pytest.fixture
def production(project: Project) -> Branch:
    return cast.branch(project, "main", Stage.PRODUCTION, head=SHA)


@pytest.fixture
def alice(client: Client, people: SimpleNamespace, project: Project) -> Client:
    client.force_login(people.alice)
    return client


def page(client: Client) -> str:
    return html.unescape(client.get(PAGE).content.decode())


def click(client: Client, what: str) -> str:
    return html.unescape(client.post(f"{PAGE}{what}/", follow=True).content.decode())


def answer(monkeypatch: pytest.MonkeyPatch, method: str, error: ProviderError) -> None:
    def refuse(*_arguments: object, **_named: object) -> Repository:
        raise error

    monkeypatch.setattr(FakeGitHub, method, refuse)


def lose(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        answer(patch, "repository_by_id", NotFound("There is no such repository."))
        with pytest.raises(NotFound):
            rounds.poll_project(project)


def told() -> list[str]:
    return [alarm.key.partition("-")[0] for alarm in alarms.going_on()]


# --- the repository ---------------------------------------------------------------------------------------------------
def test_a_repository_that_is_gone_is_said_and_its_project_stays(
    alice: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(project, monkeypatch)
    lose(project, monkeypatch)  # said once
    assert "GitHub doesn't find it any more" in page(alice)
    assert told() == ["repository"]
    assert list(AuditEntry.objects.values_list("verb", flat=True)) == ["repository gone"]


def test_while_it_is_gone_nobody_begins_a_build_and_afterwards_they_do(
    alice: Client, project: Project, production: Branch, monkeypatch: pytest.MonkeyPatch, people: SimpleNamespace
) -> None:
    build = cast.build(production)
    lose(project, monkeypatch)
    for path in (f"/shop/builds/{build.number}/rebuild/", f"/shop/branches/{production.pk}/build/"):
        answered = html.unescape(alice.post(path, follow=True).content.decode())
        assert "GitHub doesn't find acme/shop any more" in answered
    assert Build.objects.count() == 1
    rounds.poll_project(project)
    assert "GitHub doesn't find it any more" not in page(alice)
    assert told() == []
    begin.rebuild(build=build, by=people.alice)
    assert Build.objects.filter(commit=build.commit).count() == 2


def test_an_older_image_is_deployed_again_without_a_repository(
    project: Project, production: Branch, monkeypatch: pytest.MonkeyPatch, people: SimpleNamespace
) -> None:
    build = cast.build(production, image_id="sha256:1")
    lose(project, monkeypatch)
    assert deploy_again(build=build, by=people.alice).image_of == build


def test_a_push_proves_that_it_is_there(project: Project, production: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(project, monkeypatch)
    assert begin.begin(branch=production, commit="b" * 40, by=None).number == 1


# --- the webhook ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("hook", "says"),
    [
        (None, "It was removed at GitHub."),
        (replace(FINE, active=False), "It was switched off at GitHub."),
        (replace(FINE, events=("issues",)), "tells of no pushes any more"),
        (replace(FINE, last_code=502, last_message="failed to connect to host"), "failed with 502: failed to connect"),
    ],
)
def test_a_webhook_that_tells_nothing_is_found_in_a_round_and_mended_by_a_click(
    alice: Client, project: Project, world: World, hook: Webhook | None, says: str
) -> None:
    world.webhook = hook
    following.look_at_webhooks()
    shown = page(alice)
    assert says in shown
    assert "Mend it" in shown
    assert told() == ["webhook"]
    assert "The webhook is in order" in click(alice, "webhook")
    assert told() == []
    assert {"install webhook", "try the webhook"} <= set(world.seen)
    following.look_at_webhooks()
    assert "In order" in page(alice)
    assert AuditEntry.objects.filter(verb="mend webhook", by="alice").count() == 1


@pytest.mark.parametrize("code", [None, 200, 202])
def test_a_webhook_in_order_is_no_alarm(project: Project, world: World, code: int | None) -> None:
    world.webhook = replace(FINE, last_code=code)
    following.look_at_webhooks()
    project.refresh_from_db()
    assert (project.webhook_error, told()) == ("", [])
    assert project.webhook_seen_at is not None


def test_one_that_may_not_be_looked_at_is_said(
    alice: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, "webhook_state", Forbidden("The token doesn't carry that right."))
    following.look_at_webhooks()
    assert "It can't be looked at: The token doesn't carry that right." in page(alice)


def test_while_github_is_away_nothing_is_said_of_the_webhook(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "webhook_state", Unreachable("No answer."))
    following.look_at_webhooks()
    project.refresh_from_db()
    assert (project.webhook_error, project.webhook_seen_at) == ("", None)


def test_what_can_not_be_mended_says_who_can(alice: Client, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "ensure_webhook", Forbidden("No right."))
    answered = click(alice, "webhook")
    assert "The webhook could not be mended" in answered
    assert "An admin of the repository may lend his account" in answered


# --- the account ------------------------------------------------------------------------------------------------------
def test_a_grant_that_was_taken_back_is_said_and_another_account_lent(
    alice: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        answer(patch, "repository_by_id", TokenRefused("The token was refused: sign in with GitHub again."))
        with pytest.raises(TokenRefused):
            rounds.poll_project(project)
    assert "The grant was taken back" in page(alice)
    assert told() == ["token"]
    assert "The project uses your GitHub account now" in click(alice, "account")
    project.refresh_from_db()
    assert (project.token, project.token_error, project.token_of) == (
        "gho_alice",
        "",
        User.objects.get(username="alice"),
    )
    assert told() == []
    entry = AuditEntry.objects.get(verb="lend account")
    assert (entry.by, entry.after) == ("alice", "alice")


def test_an_account_that_does_not_see_the_repository_is_not_taken(
    alice: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, "repository_by_id", NotFound("There is no such repository."))
    assert "Your GitHub account can't be used" in click(alice, "account")
    project.refresh_from_db()
    assert (project.token, project.token_of) == ("gho_old", None)


def test_the_accounts_right_to_set_statuses_is_tried_for_real(
    alice: Client, production: Branch, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "It works: aaaaaaa on main has the status ci/berth (test)" in click(alice, "statuses")
    assert world.statuses == [(SHA, "success")]
    answer(monkeypatch, "set_commit_status", Forbidden("The token doesn't carry that right."))
    assert "Commits get no statuses. The token doesn't carry that right" in click(alice, "statuses")


def test_there_must_be_a_commit_to_try_statuses_on(alice: Client, world: World) -> None:
    assert "There is no commit to try it on" in click(alice, "statuses")
    assert world.statuses == []


def test_no_page_shows_the_token(alice: Client, project: Project) -> None:
    Project.objects.update(gone_at=timezone.now(), token_error="Refused.", webhook_error="It was removed at GitHub.")
    assert "gho_" not in page(alice)
