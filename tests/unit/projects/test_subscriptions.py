"""Codes: given out by the operator, refused with the reason, entered at any time."""

from datetime import timedelta
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from hosting.models import Host
from portal import clock
from portal.models import AuditEntry, User
from portal.stories import ProjectError
from projects import subscriptions
from projects.connect import connect
from projects.models import Branch, Project, Subscription
from tests import cast
from tests.unit.fakes import World

pytestmark = pytest.mark.django_db
Kind = Subscription.Kind


def made(code: str = "ACME-1234", kind: Kind = Kind.ENTERPRISE, **fields: Any) -> Subscription:
    return Subscription.objects.create(code=code, kind=kind, **fields)


def new_project(world: World, alice: User, code: str) -> Project:
    world.heads = {"main": "a" * 40}
    alice.github_token = "gho_alice"
    return connect(by=alice, repository="acme/shop", name="Shop", slug="shop", series="18.0", code=code)


@pytest.fixture
def trial(people: SimpleNamespace) -> Project:
    return cast.project("demo", people, trial_hours=100)


# --- new projects -----------------------------------------------------------------------------------------------------
def test_a_project_without_a_code_is_a_trial_with_one_worker(world: World, people: SimpleNamespace) -> None:
    project = new_project(world, people.alice, "")
    assert (project.trial_hours, project.subscription, project.partner) == (0, None, None)
    assert Branch.objects.get().workers == 1


def test_a_partner_begins_any_number_of_trials(world: World, people: SimpleNamespace) -> None:
    partner = made("PARTNER-1", Kind.PARTNER)
    cast.project("other", partner=partner, trial_hours=0)
    project = new_project(world, people.alice, " partner-1 ")
    assert (project.trial_hours, project.subscription, project.partner) == (0, None, partner)


def test_an_enterprise_code_makes_no_trial(world: World, people: SimpleNamespace) -> None:
    project = new_project(world, people.alice, made().code)
    assert (project.trial_hours, str(project.subscription)) == (None, "ACME-1234")
    assert Branch.objects.get().workers == 2
    entry = AuditEntry.objects.get(verb="create project")
    assert entry.after == {"repository": "acme/shop", "code": "ACME-1234", "trial": False}


REFUSED = [
    ("NO-SUCH-CODE", "is unknown"),
    ("A\x00B'; DROP", "is unknown"),
    ("OLD-CODE-1", "has ended"),
    ("APPS-ONLY-1", "can't be used here"),
    ("IN-USE-1", "in use by another project"),
    ("FAR-AWAY-1", "another region"),
]


def all_kinds() -> None:
    made("OLD-CODE-1", ends_at=clock.now() - timedelta(seconds=1))
    made("APPS-ONLY-1", Kind.APPS)
    cast.project("other", subscription=made("IN-USE-1"))
    made("FAR-AWAY-1", region="mars")


@pytest.mark.parametrize(("code", "told"), REFUSED)
def test_a_code_that_can_not_be_used_creates_nothing(
    world: World, people: SimpleNamespace, code: str, told: str
) -> None:
    all_kinds()
    with pytest.raises(ProjectError, match=told) as refused:
        new_project(world, people.alice, code)
    assert "No project was created." in refused.value.detail
    assert refused.value.remedy
    assert not Project.objects.filter(slug="shop").exists()


def test_the_reason_names_what_the_code_would_have_to_be(world: World, people: SimpleNamespace) -> None:
    all_kinds()
    with pytest.raises(ProjectError) as refused:
        new_project(world, people.alice, "APPS-ONLY-1")
    assert refused.value.detail.startswith(
        "It is neither a partnership nor an enterprise subscription that includes hosting."
    )


def test_a_project_lies_in_the_region_of_its_subscription(world: World, people: SimpleNamespace) -> None:
    far = Host.objects.create(name="far", region="mars", docker_url="unix:///x", subnet="10.2.0.0/16")
    assert new_project(world, people.alice, made(region="mars").code).host == far


# --- those that exist -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("code", "told"), [*REFUSED, ("PARTNER-1", "partner's code"), ("  ", "No code")])
def test_a_code_that_can_not_be_used_changes_nothing(
    trial: Project, people: SimpleNamespace, code: str, told: str
) -> None:
    all_kinds()
    made("PARTNER-1", Kind.PARTNER)
    with pytest.raises(ProjectError, match=told) as refused:
        subscriptions.enter(project=trial, code=code, by=people.alice)
    assert "Demo goes on as before." in refused.value.detail
    trial.refresh_from_db()
    assert (trial.subscription, trial.trial_hours) == (None, 100)
    assert not AuditEntry.objects.filter(verb="enter subscription code").exists()


def test_another_code_frees_the_one_before(trial: Project, people: SimpleNamespace) -> None:
    first, second = made(), made("ACME-5678")
    for code in (first.code, second.code):
        subscriptions.enter(project=trial, code=code, by=people.alice)
    other = cast.project("other")
    subscriptions.enter(project=other, code=first.code, by=people.alice)
    assert {each.slug: str(each.subscription) for each in Project.objects.all()} == {
        "demo": "ACME-5678",
        "other": "ACME-1234",
    }


def test_the_tab_takes_a_code_and_shows_its_limits(trial: Project, people: SimpleNamespace, client: Client) -> None:
    made(workers=7, storage_gb=40)
    client.force_login(people.alice)
    page = client.get("/demo/settings/subscription/").content.decode()
    assert "Trial: 26 days left.</strong> Then its production" in page
    assert client.post("/demo/settings/subscription/", {"code": "acme-1234"}).status_code == 302
    page = client.get("/demo/settings/subscription/").content.decode()
    assert ("Trial:" in page, "Without an end." in page) == (False, True)
    assert ("of 7" in page, "of 40 GB" in page) == (True, True)
    entry = AuditEntry.objects.get(verb="enter subscription code")
    assert (entry.by, entry.before, entry.after) == (
        "alice",
        {"code": None, "hours of trial": 100},
        {"code": "ACME-1234"},
    )


def test_the_tab_shows_a_refusal_and_keeps_what_was_written(
    trial: Project, people: SimpleNamespace, client: Client
) -> None:
    client.force_login(people.alice)
    page = client.post("/demo/settings/subscription/", {"code": "<b>wrong"}).content.decode()
    assert "is unknown" in page
    assert 'value="&lt;b&gt;wrong"' in page


def test_members_see_how_many_days_are_left_on_all_pages(
    trial: Project, people: SimpleNamespace, client: Client
) -> None:
    Project.objects.update(public=True)
    client.force_login(people.dev)
    assert "Trial: 26 days left." in client.get("/demo/builds/").content.decode()
    client.logout()
    assert "Trial:" not in client.get("/demo/builds/").content.decode()


# --- the operator's ---------------------------------------------------------------------------------------------------
@pytest.fixture
def operator(client: Client, people: SimpleNamespace) -> Client:
    client.force_login(cast.person("Operator", is_superuser=True))
    return client


def test_the_operator_gives_out_ends_and_renews_a_code(operator: Client) -> None:
    fields = {"kind": "enterprise", "holder": "Acme", "workers": "4", "last_day": "2030-01-31"}
    assert operator.post("/operator/subscriptions/", {"code": "acme 1234", **fields}).status_code == 302
    found = Subscription.objects.get()
    assert (found.code, found.workers, found.staging_branches) == ("ACME1234", 4, None)
    assert found.ends_at is not None
    assert found.ends_at.isoformat() == "2030-01-31T23:59:59+00:00"
    operator.post(f"/operator/subscriptions/{found.pk}/end/", {"last_day": ""})
    found.refresh_from_db()
    assert found.ends_at is None
    operator.post(f"/operator/subscriptions/{found.pk}/end/", {"last_day": "soon"})
    assert AuditEntry.objects.filter(verb="change end of subscription").count() == 1


@pytest.mark.parametrize("wrong", [{"code": "x"}, {"code": "ACME-1234"}, {"workers": "0"}, {"kind": "gold"}])
def test_what_can_not_be_a_code_is_told_beside_its_field(operator: Client, wrong: dict[str, str]) -> None:
    made()
    page = operator.post("/operator/subscriptions/", {"code": "NEW-1234", "kind": "partner", **wrong}).content.decode()
    assert "field-errors" in page
    assert Subscription.objects.count() == 1


def test_nobody_else_learns_of_the_page(client: Client, people: SimpleNamespace) -> None:
    client.force_login(people.alice)
    found = made()
    assert client.get("/operator/subscriptions/").status_code == 404
    assert client.post("/operator/subscriptions/", {"code": "NEW-1234", "kind": "partner"}).status_code == 404
    assert client.post(f"/operator/subscriptions/{found.pk}/end/", {"last_day": ""}).status_code == 404
    assert Subscription.objects.count() == 1


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("subscription", *arguments, stdout=out)
    return out.getvalue()


def test_codes_at_the_command_line(people: SimpleNamespace) -> None:
    told = said("add", "acme-1234", "--workers", "4", "--ends", "2030-01-31")
    assert told == "ACME-1234  enterprise  4 workers, ends 2030-01-31\n"
    code = said("add", "--kind", "partner").split()[0]
    assert len(code) == 19
    cast.project("demo", subscription=Subscription.objects.get(code="ACME-1234"))
    listed = said("list")
    assert "used by demo" in listed
    assert f"{code}  partner  no limits, no end  trials: none" in listed
    assert "ended" in said("end", "acme-1234")
    assert "ends 2031-01-01" in said("end", "ACME-1234", "--on", "2031-01-01")


def test_the_command_line_refuses_what_can_not_be() -> None:
    said("add", "ACME-1234")
    for wrong in (("add", "ACME-1234"), ("add", "x"), ("add", "ACME-9", "--workers", "0"), ("end", "NONE")):
        with pytest.raises(CommandError):
            said(*wrong)
    assert Subscription.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "It goes on without limits"),
        ({"trial_hours": 720}, "are deleted in 30 days"),
        ({"trial_hours": 1440}, "its databases are deleted"),
    ],
)
def test_the_tab_says_how_it_stands(people: SimpleNamespace, client: Client, fields: dict[str, int], told: str) -> None:
    cast.project("demo", people, **fields)
    client.force_login(people.alice)
    assert told in client.get("/demo/settings/subscription/").content.decode()


def test_the_operator_unlocks_what_is_locked_alone(operator: Client) -> None:
    project = cast.project("demo", subscription=made(ends_at=clock.now() - timedelta(days=100)), ended_hours=24)
    operator.post("/operator/subscriptions/unlock/demo/")
    assert not AuditEntry.objects.filter(verb="unlock databases").exists()
    Project.objects.update(ended_hours=2160)
    assert "Unlock for three months" in operator.get("/operator/subscriptions/").content.decode()
    operator.post("/operator/subscriptions/unlock/demo/")
    project.refresh_from_db()
    assert project.ended_hours == 0
    entry = AuditEntry.objects.get(verb="unlock databases")
    assert (entry.by, entry.before, entry.project_id) == ("operator", {"hours since the end": 2160}, project.pk)
