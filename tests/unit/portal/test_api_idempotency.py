"""Writes that are sent twice."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection

from portal import clock
from portal.models import Answered, AuditEntry
from portal.stories import ProjectError
from projects import deploykeys, members
from projects.models import DeployKey, Project
from tests import cast
from tests.apis import Caller

KEY = "4f2c9a1e"


@pytest.fixture
def alice(people: SimpleNamespace) -> Caller:
    cast.project("demo", people)
    return Caller(people.alice)


def add(caller: Caller, login: str = "oscar", key: str = KEY, role: str = "tester") -> SimpleNamespace:
    answer = caller.send("post", "projects/demo/members/", {"login": login, "role": role}, Idempotency_Key=key)
    return SimpleNamespace(
        code=answer.status_code, body=answer.json(), replayed=answer.headers.get("Idempotency-Replayed")
    )


def test_what_is_sent_twice_is_done_once_and_answered_alike(alice: Caller) -> None:
    first, second = add(alice), add(alice)

    assert (first.code, first.replayed) == (201, None)
    assert (second.code, second.replayed) == (201, "true")
    assert first.body == second.body
    assert AuditEntry.objects.filter(verb="add member").count() == 1


def test_a_key_with_another_body_is_refused_and_nothing_is_done(alice: Caller, people: SimpleNamespace) -> None:
    first = add(alice)

    answer = add(alice, role="admin")

    assert (answer.code, answer.body["status"]) == (422, 422)
    assert people.oscar.memberships.get().role == "tester"
    assert add(alice).body == first.body


def test_a_key_for_another_address_is_refused(alice: Caller) -> None:
    add(alice)

    assert alice.send("patch", "projects/demo/", {"name": "x"}, Idempotency_Key=KEY).status_code == 422


def test_a_new_token_is_not_kept_for_a_second_answer(alice: Caller) -> None:
    wanted = {"name": "a", "scope": "read"}

    first, second = (alice.send("post", "tokens/", wanted, Idempotency_Key=KEY).json() for _turn in range(2))

    assert first["token"] not in str(list(Answered.objects.values()))
    assert (second["id"], second["token"]) == (first["id"], None)


def test_another_token_of_the_same_person_gets_no_answer_of_this_one(alice: Caller, people: SimpleNamespace) -> None:
    add(alice)

    assert add(Caller(people.alice)).code == 409  # he is a member already


def test_the_same_key_of_somebody_else_is_another_one(alice: Caller, people: SimpleNamespace) -> None:
    add(alice)

    assert Caller(people.dev).send("patch", "projects/demo/", {"name": "x"}, Idempotency_Key=KEY).status_code == 403


def test_what_was_refused_leaves_its_key_free(alice: Caller, people: SimpleNamespace) -> None:
    assert add(alice, "nobody").code == 409

    assert Answered.objects.count() == 0
    cast.person("Nobody")
    assert add(alice, "nobody").code == 201


def test_who_dies_at_it_leaves_neither_the_work_nor_the_key(
    alice: Caller, people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = members.add

    def dying(**values: object) -> None:
        done(**values)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(members, "add", dying)
        with pytest.raises(KeyboardInterrupt):
            add(alice)

    assert (Answered.objects.count(), people.oscar.memberships.count()) == (0, 0)
    assert add(alice).code == 201


def test_a_key_is_free_again_after_a_day(alice: Caller) -> None:
    add(alice)

    with clock.moved(Answered.KEPT + timedelta(seconds=1)):
        assert add(alice, role="admin").code == 409  # done anew: he is a member already
        Answered.objects.outdated().delete()

    assert Answered.objects.count() == 0


@pytest.fixture
def asked(alice: Caller, people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A deploy key that is installed at GitHub: `is_done` is how often, `fails` what happens at it."""
    project = Project.objects.get()
    key = deploykeys.add(
        project=project, url="git@example.org:acme/lib.git", kind=DeployKey.Kind.ED25519, by=people.alice
    )
    world = SimpleNamespace(is_done=0, locked=None, fails=None)

    def install(**_values: object) -> str:
        world.is_done += 1
        world.locked = connection.in_atomic_block
        if world.fails:
            raise world.fails
        return ""

    monkeypatch.setattr(deploykeys, "install", install)
    world.again = lambda: alice.send("post", f"projects/demo/deploy-keys/{key.pk}/install/", Idempotency_Key=KEY)
    return world


@pytest.mark.django_db(transaction=True)
def test_what_asks_a_server_outside_holds_no_lock_meanwhile_and_is_done_once(asked: SimpleNamespace) -> None:
    first, second = asked.again(), asked.again()

    assert (first.status_code, second.status_code, first.json()) == (200, 200, second.json())
    assert (asked.is_done, asked.locked) == (1, False)


def test_what_a_server_outside_refused_leaves_its_key_free(asked: SimpleNamespace) -> None:
    asked.fails = ProjectError("The key could not be installed")
    assert asked.again().status_code == 409

    asked.fails = None
    assert (asked.again().status_code, asked.is_done) == (200, 2)


@pytest.mark.parametrize("end", [KeyboardInterrupt, ConnectionResetError])
def test_who_dies_or_fails_while_a_server_outside_is_asked_leaves_a_key_that_is_used(
    end: type[BaseException], asked: SimpleNamespace
) -> None:
    asked.fails = end()
    with pytest.raises(end):
        asked.again()

    asked.fails = None
    answer = asked.again()

    assert (answer.status_code, asked.is_done) == (409, 1)
    assert "nobody knows how much of it was done" in answer.json()["detail"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "ä"])
def test_a_key_that_is_none_is_refused(key: str, alice: Caller) -> None:
    dry = alice.send("post", "projects/demo/branches/1/deploy/?dry_run=1", {}, Idempotency_Key=key)

    assert (add(alice, key=key).code, dry.status_code) == (400, 400)
