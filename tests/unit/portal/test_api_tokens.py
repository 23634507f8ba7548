"""Who the API knows, and what it says to others."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from portal import apitokens, clock
from portal.models import ApiToken, AuditEntry, Scope
from tests import cast
from tests.apis import Caller

PROBLEM = "application/problem+json"


@pytest.fixture
def alice(people: SimpleNamespace) -> Caller:
    cast.project("demo", people)
    cast.project("other", people)
    return Caller(people.alice)


def test_a_token_says_who_it_is_of(alice: Caller) -> None:
    answer = alice.send("get", "me/")

    assert answer.status_code == 200
    assert (answer.json()["login"], answer.json()["token"]["scope"]) == ("alice", "admin")


def test_the_token_itself_is_nowhere_in_the_database(alice: Caller) -> None:
    row = ApiToken.objects.filter(pk=alice.token.pk).values().get()

    assert alice.plain not in str(row)
    assert alice.plain not in str(list(AuditEntry.objects.values()))
    assert row["hash"] == apitokens.digest(alice.plain)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer berth_wrong", "Basic YTpi", "Token berth_x", "Bearer berth_ä"]
)
def test_who_sends_no_token_that_is_known_gets_401_and_is_told_the_scheme(header: str, db: None) -> None:
    answer = Client().get("/api/v1/me/", headers={"Authorization": header} if header else {})

    assert (answer.status_code, answer["Content-Type"]) == (401, PROBLEM)
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_session_of_the_pages_is_no_token(client: Client, people: SimpleNamespace) -> None:
    client.force_login(people.alice)

    assert client.get("/api/v1/me/").status_code == 401


def test_an_expired_token_is_refused_with_the_date(people: SimpleNamespace) -> None:
    caller = Caller(people.alice, expires_at=clock.now() + timedelta(days=7))
    assert caller.send("get", "me/").status_code == 200

    with clock.moved(timedelta(days=7)):
        answer = caller.send("get", "me/")

    assert answer.status_code == 401
    assert f"expired on {caller.token.expires_at:%Y-%m-%d}" in answer.json()["detail"]


def test_a_revoked_token_is_refused_from_the_next_request_on(alice: Caller) -> None:
    assert alice.send("delete", f"tokens/{alice.token.pk}/").status_code == 204

    answer = alice.send("get", "me/")

    assert answer.status_code == 401
    assert "revoked" in answer.json()["detail"]
    assert AuditEntry.objects.filter(verb="revoke token").count() == 1


def test_the_token_of_somebody_who_was_shut_out_is_refused(alice: Caller, people: SimpleNamespace) -> None:
    people.alice.is_active = False
    people.alice.save()

    assert alice.send("get", "me/").status_code == 401


@pytest.mark.parametrize("name", ["access_token", "token", "q"])
def test_a_token_in_an_address_is_refused_even_beside_a_good_header(name: str, alice: Caller) -> None:
    answer = alice.get(f"/api/v1/me/?{name}={alice.plain}")

    assert answer.status_code == 400
    assert "revoke" in answer.json()["detail"]
    assert alice.plain not in answer.content.decode()


def test_a_token_in_an_address_alone_opens_nothing(alice: Caller) -> None:
    assert Client().get(f"/api/v1/projects/?access_token={alice.plain}").status_code == 400


def test_a_weak_scope_is_refused_and_said(people: SimpleNamespace) -> None:
    project = cast.project("demo", people)

    answer = Caller(people.alice, Scope.READ).send("patch", "projects/demo/", {"name": "Other"})

    assert (answer.status_code, answer["Content-Type"]) == (403, PROBLEM)
    assert "'read'" in answer.json()["detail"]
    assert "'admin'" in answer.json()["detail"]
    project.refresh_from_db()
    assert project.name == "Demo"


def test_a_token_of_one_project_finds_no_other(people: SimpleNamespace) -> None:
    demo = cast.project("demo", people)
    cast.project("other", people)
    caller = Caller(people.alice, project_id=demo.pk)

    listed = caller.send("get", "projects/").json()["results"]

    assert [each["slug"] for each in listed] == ["demo"]
    assert caller.send("get", "projects/demo/").status_code == 200
    assert caller.send("get", "projects/other/").status_code == 404
    assert caller.send("patch", "projects/other/", {"name": "x"}).status_code == 404


def test_a_foreign_project_looks_like_none(people: SimpleNamespace) -> None:
    cast.project("demo", people)
    caller = Caller(people.oscar)

    foreign, none = caller.send("get", "projects/demo/"), caller.send("get", "projects/nothing/")

    assert foreign.status_code == none.status_code == 404
    assert foreign.json() == none.json()


def test_so_many_requests_a_minute_and_no_more(people: SimpleNamespace, settings: Settings) -> None:
    settings.BERTH_API_PER_MINUTE = 2
    caller = Caller(people.alice)
    at = clock.now().replace(second=10, microsecond=0) + timedelta(minutes=1)

    with clock.moved(at - clock.now()):
        answers = [caller.send("get", "me/") for _number in range(3)]

    assert [each.status_code for each in answers] == [200, 200, 429]
    assert [each["RateLimit-Remaining"] for each in answers] == ["1", "0", "0"]
    assert answers[2]["RateLimit-Limit"] == "2"
    assert 0 < int(answers[2]["Retry-After"]) <= 60
    with clock.moved(at - clock.now() + timedelta(minutes=1)):
        assert caller.send("get", "me/").status_code == 200


def test_another_token_has_requests_of_its_own(people: SimpleNamespace, settings: Settings) -> None:
    settings.BERTH_API_PER_MINUTE = 1
    at = clock.now().replace(second=10, microsecond=0) + timedelta(minutes=1)

    with clock.moved(at - clock.now()):
        assert [Caller(people.alice).send("get", "me/").status_code for _number in range(2)] == [200, 200]


def test_it_is_seen_when_a_token_was_used_last(alice: Caller) -> None:
    assert alice.token.last_used_at is None

    alice.send("get", "me/")

    alice.token.refresh_from_db()
    assert alice.token.last_used_at is not None


@pytest.mark.parametrize("path", ["nothing/", "projects/demo/nothing/", "projects/a%00b/", "me"])
def test_an_address_that_is_none_is_a_problem_too(path: str, alice: Caller) -> None:
    answer = alice.send("get", path)

    assert (answer.status_code, answer["Content-Type"]) == (404, PROBLEM)


def test_a_token_makes_none_that_may_more(people: SimpleNamespace) -> None:
    demo = cast.project("demo", people)
    cast.project("other", people)
    caller = Caller(people.alice, project_id=demo.pk, expires_at=clock.now() + timedelta(days=7))

    refused: list[dict[str, Any]] = [
        {"name": "a", "scope": "admin", "project": "demo"},  # for ever
        {"name": "a", "scope": "admin", "days": 5},  # all projects
        {"name": "a", "scope": "admin", "days": 8, "project": "demo"},
    ]

    assert [caller.send("post", "tokens/", body).status_code for body in refused] == [409, 409, 409]
    assert caller.send("post", "tokens/", refused[0] | {"days": 5, "project": "other"}).status_code == 409
    made = caller.send("post", "tokens/", refused[0] | {"days": 5, "scope": "read"})
    assert made.status_code == 201
    assert Client(headers={"Authorization": f"Bearer {made.json()['token']}"}).get("/api/v1/me/").status_code == 200
    assert made.json()["project"] == "demo"


def test_revoking_another_token_takes_the_scope_admin(people: SimpleNamespace) -> None:
    weak, strong = Caller(people.alice, Scope.DEPLOY), Caller(people.alice)

    assert weak.send("delete", f"tokens/{strong.token.pk}/").status_code == 403
    assert strong.send("delete", f"tokens/{weak.token.pk}/").status_code == 204
    assert strong.send("delete", f"tokens/{Caller(people.tom).token.pk}/").status_code == 404


def test_a_token_of_one_project_knows_and_revokes_that_projects_tokens_alone(people: SimpleNamespace) -> None:
    demo, other = cast.project("demo", people), cast.project("other", people)
    whole, foreign = Caller(people.alice), Caller(people.alice, project_id=other.pk)
    own, beside = Caller(people.alice, project_id=demo.pk), Caller(people.alice, project_id=demo.pk)

    listed = [each["id"] for each in own.send("get", "tokens/").json()["results"]]
    refused = [own.send("delete", f"tokens/{each.token.pk}/").status_code for each in (whole, foreign)]

    assert listed == [beside.token.pk, own.token.pk]
    assert refused == [404, 404]
    assert len(whole.send("get", "tokens/").json()["results"]) == 4
    assert own.send("delete", f"tokens/{beside.token.pk}/").status_code == 204
