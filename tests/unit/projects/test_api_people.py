"""Invitations, leaving, notifications and subscriptions by the API: the same as on their pages."""

from types import SimpleNamespace

import pytest
from pytest_django import Settings

from portal.models import AuditEntry, Scope
from projects.models import Invitation, Member, Notice, Project, Role, Stage, Subscription
from projects.news import Event
from projects.notices import wishes
from tests import cast
from tests.apis import Caller

INVITATIONS = "projects/demo/invitations/"


@pytest.fixture
def project(people: SimpleNamespace) -> Project:
    return cast.project("demo", people)


@pytest.fixture
def alice(people: SimpleNamespace, project: Project) -> Caller:
    return Caller(people.alice)


def invite(alice: Caller, **body: str) -> str:
    answer = alice.send("post", INVITATIONS, {"whom": "oscar", "role": "tester"} | body)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["link"])


def accept(caller: Caller, link: str) -> int:
    code: int = caller.send("post", "invitations/accept/", {"link": link}).status_code
    return code


# --- invitations ------------------------------------------------------------------------------------------------------
def test_an_invitation_lets_its_person_in_once(alice: Caller, people: SimpleNamespace, project: Project) -> None:
    link = invite(alice)
    listed = alice.send("get", INVITATIONS).json()["results"]
    assert [(each["login"], each["role"], "link" in each) for each in listed] == [("oscar", "tester", False)]

    assert accept(Caller(people.dev), link) == 409
    answer = Caller(people.oscar).send("post", "invitations/accept/", {"link": link})

    assert answer.json() == {"project": "demo", "role": "tester"}
    assert project.members.get(user=people.oscar).role == Role.TESTER
    assert accept(Caller(people.oscar), link) == 409
    assert alice.send("get", INVITATIONS).json()["results"] == []


def test_its_link_is_shown_once(alice: Caller) -> None:
    body = {"whom": "oscar@example.com", "role": "developer"}

    answers = [alice.send("post", INVITATIONS, body, Idempotency_Key="i1").json() for _turn in range(2)]

    assert answers[0]["link"].startswith("http")
    assert answers[1]["link"] is None
    assert answers[0]["mailed"] is False  # there is no mail server
    assert Invitation.objects.count() == 1


def test_one_that_was_withdrawn_lets_nobody_in(alice: Caller, people: SimpleNamespace, project: Project) -> None:
    link = invite(alice)

    assert alice.send("delete", f"{INVITATIONS}{Invitation.objects.get().pk}/").status_code == 204

    assert accept(Caller(people.oscar), link) == 409
    assert not project.members.filter(user=people.oscar).exists()


@pytest.mark.parametrize("whom", ["not a login", "nobody@", "-x"])
def test_whom_nobody_could_be_is_refused(whom: str, alice: Caller) -> None:
    answer = alice.send("post", INVITATIONS, {"whom": whom, "role": "tester"})

    assert (answer.status_code, answer.json()["errors"][0]["name"]) == (409, "whom")
    assert not Invitation.objects.exists()


def test_a_project_is_offered_to_somebody(alice: Caller) -> None:
    answer = alice.send("post", "projects/demo/hand-over/", {"whom": "tom"})

    assert (answer.status_code, answer.json()["takes_over"], answer.json()["role"]) == (201, True, "admin")
    assert AuditEntry.objects.filter(verb="offer project").exists()


def test_a_token_for_one_project_is_not_for_the_account(
    alice: Caller, people: SimpleNamespace, project: Project
) -> None:
    link, other = invite(alice), cast.project("other")
    Member.objects.create(project=other, user=people.oscar, role=Role.ADMIN)
    narrow = Caller(people.oscar, project_id=other.pk)

    assert accept(narrow, link) == 403
    assert narrow.send("patch", "me/notifications/", {"event": "build.done"}).status_code == 403
    assert not project.members.filter(user=people.oscar).exists()


# --- leaving ----------------------------------------------------------------------------------------------------------
def test_anybody_may_leave_but_the_last_admin(alice: Caller, people: SimpleNamespace, project: Project) -> None:
    assert Caller(people.dev).send("post", "projects/demo/leave/").status_code == 204
    assert alice.send("post", "projects/demo/leave/").status_code == 409

    assert set(project.members.values_list("user__username", flat=True)) == {"alice", "tom"}


# --- notifications ----------------------------------------------------------------------------------------------------
def test_one_choice_changes_and_the_others_stay(alice: Caller, people: SimpleNamespace) -> None:
    before = {wish.event: (wish.in_portal, wish.by_mail) for wish in wishes(people.alice)}

    answer = alice.send("patch", "me/notifications/", {"event": "build.done", "by_mail": True})

    after = {each["event"]: (each["in_portal"], each["by_mail"]) for each in answer.json()["notifications"]}
    assert after == before | {Event.BUILD_DONE: (before[Event.BUILD_DONE][0], True)}
    assert alice.send("get", "me/notifications/").json() == answer.json()
    assert Caller(people.alice, Scope.DEPLOY).send("patch", "me/notifications/", {}).status_code == 403


def test_notices_are_those_of_projects_that_the_token_is_for(people: SimpleNamespace, project: Project) -> None:
    other = cast.project("other", SimpleNamespace(alice=people.alice, tom=people.tom, dev=people.dev))
    for each in (project, other):
        Notice.objects.create(
            user=people.alice,
            project=each,
            event="deploy.done",
            title=each.slug,
            path="/",
            in_portal=True,
            by_mail=False,
        )
    narrow = Caller(people.alice, project_id=project.pk)

    assert [each["project"] for each in narrow.send("get", "me/notices/").json()["results"]] == ["demo"]
    assert narrow.send("post", "me/notices/read/").status_code == 204
    assert [each.title for each in Notice.objects.filter(read_at=None)] == ["other"]


# --- the subscription -------------------------------------------------------------------------------------------------
def test_a_code_ends_a_trial_and_lifts_its_limits(alice: Caller, project: Project, settings: Settings) -> None:
    Project.objects.update(trial_hours=700)
    cast.branch(project, "preview", Stage.STAGING)
    Subscription.objects.create(code="FULL-CODE-1", kind="enterprise", workers=8, holder="Acme")
    path = "projects/demo/subscription/"

    trial = alice.send("get", path).json()
    assert (trial["standing"], trial["days_left"], trial["code"]) == ("trial", 1, None)
    assert {"name": "staging", "used": 1.0, "limit": 2, "unit": ""} in trial["uses"]
    entered = alice.send("post", path, {"code": "full-code-1"})

    assert entered.status_code == 200, entered.content
    assert (entered.json()["standing"], entered.json()["code"]) == ("subscription", "FULL-CODE-1")
    assert entered.json()["uses"][0]["limit"] == 8
    assert alice.send("get", path).json() == entered.json()


@pytest.mark.parametrize("code", ["NOBODY-HAS-IT", "x", "PARTNER-CODE"])
def test_a_code_that_is_none_for_a_project_changes_nothing(code: str, alice: Caller, project: Project) -> None:
    Subscription.objects.create(code="PARTNER-CODE", kind="partner")

    answer = alice.send("post", "projects/demo/subscription/", {"code": code})

    assert answer.status_code == 409
    assert answer.json()["remedy"]
    project.refresh_from_db()
    assert project.subscription is None
