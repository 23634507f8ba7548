"""Every address of the portal, asked by everybody for own and foreign objects, compared with the table of roles."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import transaction
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from projects.models import Stage
from tests.walk import SIGN_IN, Rule, Scope, Who, Whose
from tests.walk.pages import BESIDE, PAGES
from tests.walk.world import World, addresses, build_world

PEOPLE = {
    Who.OUTSIDER: "oscar", Who.DEVELOPER: "dev", Who.TESTER: "tom", Who.ADMIN: "alice", Who.OPERATOR: "operator",
}  # fmt: skip
ADDRESSES = {address.name: address for address in addresses()}
Count = Callable[[str, object], None]


@pytest.fixture
def walked(people: SimpleNamespace, settings: Settings, tmp_path: Path) -> World:
    settings.BERTH_HOME = tmp_path
    return build_world(people)


def test_every_address_is_walked() -> None:
    """A new one belongs into tests/walk/pages.py, with the tool for which it is."""
    assert set(ADDRESSES) == set(PAGES) | BESIDE
    assert len(ADDRESSES) == len(addresses()), "two addresses have the same name"


@pytest.mark.parametrize("name", PAGES)
def test_an_address_answers_as_the_table_of_roles_says(name: str, walked: World, record_property: Count) -> None:
    address, rule = ADDRESSES[name], PAGES[name]
    clients = {who: client(walked, who) for who in Who}
    wrong, count = [], 0
    for whose in address.whose:
        walked.project.public = whose == Whose.PUBLIC
        walked.project.save(update_fields=["public"])
        for stage in stages(rule, whose):
            url = walked.url(address, stage, whose)
            for who in Who:
                for method in ("GET", "POST"):
                    got, count = asked(clients[who], method, url), count + 1
                    if got != (expected := rule.expected(who, method, stage, whose)):
                        wrong.append(f"{method} {url} ({whose}, {stage}) answers {who} {got}, not {expected}")

    record_property("cases", count)
    assert wrong == []


def stages(rule: Rule, whose: Whose) -> list[Stage]:
    """What has no stage, and what is not found, is asked for once."""
    of_a_stage = rule.scope in {Scope.BRANCH, Scope.BUILD} and whose in {Whose.OWN, Whose.PUBLIC}
    return list(Stage) if of_a_stage else [Stage.PRODUCTION if Stage.PRODUCTION in rule.only else Stage.STAGING]


def client(walked: World, who: Who) -> Client:
    made = Client()
    if who in PEOPLE:
        made.force_login(getattr(walked.people, PEOPLE[who]))
    return made


def asked(client: Client, method: str, url: str) -> int:
    """The status code; what was changed is put back, so that the order of asking is of no account."""
    with transaction.atomic():
        response = client.generic(method, url)
        transaction.set_rollback(True)
    return SIGN_IN if leads_to_sign_in(response) else response.status_code


def leads_to_sign_in(response: HttpResponseBase) -> bool:
    return response.status_code == 302 and response.headers["Location"].startswith("/sign-in/?next=")


@pytest.mark.parametrize("name", [name for name, address in ADDRESSES.items() if "slug" in address.parameters])
def test_a_project_that_does_not_exist_looks_like_a_foreign_one(name: str, walked: World) -> None:
    foreign = walked.url(ADDRESSES[name], Stage.STAGING, Whose.FOREIGN)
    missing = foreign.replace("other", "nothing")
    assert missing != foreign

    for who in (Who.ANONYMOUS, Who.OUTSIDER):
        for method in ("GET", "POST"):
            visitor = client(walked, who)
            assert asked(visitor, method, foreign) == asked(visitor, method, missing)


def test_who_is_signed_in_needs_no_sign_in_page_and_signs_out_with_a_post(walked: World) -> None:
    anonymous, alice = client(walked, Who.ANONYMOUS), client(walked, Who.ADMIN)

    assert (anonymous.get(reverse("sign-in")).status_code, alice.get(reverse("sign-in")).status_code) == (200, 302)
    assert (alice.get(reverse("sign-out")).status_code, alice.post(reverse("sign-out")).status_code) == (405, 302)
