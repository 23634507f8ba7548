"""A branch pinned to one frozen Odoo: chosen on its page, told of before the end, and ended."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from hosting.models import Runtime, Stage
from portal import clock, hours
from portal.models import AuditEntry
from projects import pins
from projects.models import Branch, Notice, Project
from tests import cast

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def project(people: SimpleNamespace) -> Project:
    return cast.project("demo", people)


@pytest.fixture
def branch(project: Project) -> Branch:
    return cast.branch(project, "main", Stage.PRODUCTION)


@pytest.fixture
def alice(client: Client, people: SimpleNamespace) -> Client:
    client.force_login(people.alice)
    return client


def runtime(days_ago: int = 0, series: str = "18.0") -> Runtime:
    image_id = f"sha256:{Runtime.objects.count()}"
    at = clock.now() - days_ago * DAY
    return Runtime.objects.create(
        host=cast.host(), series=series, image_id=image_id, image=f"odoo:{series}", frozen_at=at
    )


def save(client: Client, branch: Branch, **changes: Any) -> Any:
    address = f"/demo/branches/{branch.pk}/settings/"
    form = client.get(address).context["form"]
    filled = {field.name: field.value() for field in form}
    values = {name: value for name, value in filled.items() if value not in (False, None)} | changes
    return client.post(address, values, follow=True)


def pinned(branch: Branch, days: float, **fields: Any) -> Branch:
    until = clock.now() + days * DAY
    Branch.objects.filter(pk=branch.pk).update(runtime=runtime(), pinned_until=until, **fields)
    return Branch.objects.get(pk=branch.pk)


def test_a_pin_is_set_for_three_months_and_written_down(alice: Client, branch: Branch) -> None:
    older, _newer = runtime(7), runtime()
    assert "Odoo revision: with the next build" in save(alice, branch, runtime=older.pk).content.decode()
    branch.refresh_from_db()
    assert branch.runtime == older
    assert branch.pinned_until is not None
    assert pins.PINNED - DAY < branch.pinned_until - clock.now() <= pins.PINNED
    entry = AuditEntry.objects.get()
    assert (entry.before, entry.after) == (
        {"runtime": None, "pinned_until": None},
        {"runtime": str(older), "pinned_until": branch.pinned_until.isoformat()},
    )


def test_saving_something_else_does_not_make_it_longer(alice: Client, branch: Branch) -> None:
    before = pinned(branch, 10)
    save(alice, branch, workers=3)
    branch.refresh_from_db()
    assert (branch.workers, branch.runtime, branch.pinned_until) == (3, before.runtime, before.pinned_until)


def test_it_can_be_let_go_before_its_end(alice: Client, branch: Branch) -> None:
    pinned(branch, 10)
    save(alice, branch, runtime="")
    branch.refresh_from_db()
    assert (branch.runtime, branch.pinned_until) == (None, None)


def test_only_those_of_the_last_weeks_and_of_the_series_are_offered(alice: Client, branch: Branch) -> None:
    fresh, old, _other = runtime(3), runtime(50), runtime(3, "17.0")
    assert list(pins.choices(branch)) == [fresh]
    assert "Select a valid choice" in save(alice, branch, runtime=old.pk).content.decode()
    Branch.objects.filter(pk=branch.pk).update(runtime=old, pinned_until=clock.now() + DAY)
    assert set(pins.choices(Branch.objects.get(pk=branch.pk))) == {fresh, old}


def test_members_are_told_seven_days_and_a_day_before_and_at_the_end(branch: Branch, people: SimpleNamespace) -> None:
    pinned(branch, 30)
    told = []
    for day in (20, 22.5, 23.5, 24, 28, 29.5, 29.8, 30.5, 31):
        with clock.moved(day * DAY):
            pins.look_after()
            told.append(Notice.objects.filter(user=people.alice).count())
    assert told == [0, 0, 1, 1, 1, 2, 2, 3, 3]
    assert not Notice.objects.exclude(user=people.alice).exists()  # production's settings are her affair
    branch.refresh_from_db()
    assert (branch.runtime, branch.pinned_until) == (None, None)
    assert AuditEntry.objects.get().verb == "end pin of Odoo"
    titles = list(Notice.objects.order_by("pk").values_list("title", flat=True))
    assert titles[0].startswith("main leaves Odoo 18.0 of ")
    assert titles[-1].endswith("its next build takes the newest one")


def test_a_new_pin_is_told_of_again(branch: Branch, people: SimpleNamespace) -> None:
    pinned(branch, 0.5, pin_told_at=clock.now() - 60 * DAY)
    pins.look_after()
    assert Notice.objects.filter(user=people.alice).count() == 1


def test_a_clock_that_jumped_ends_none(branch: Branch) -> None:
    pinned(branch, 30)
    hours.another()
    with clock.moved(400 * DAY):
        hours.another()
        pins.look_after()
    branch.refresh_from_db()
    assert branch.runtime is not None
