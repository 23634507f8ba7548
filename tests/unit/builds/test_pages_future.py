"""The page that says which backups there will be agrees with what the clean-up leaves."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.test import Client

from builds import futurepages
from hosting.models import Backup, Vault
from hosting.retention import Taken, to_keep
from portal import clock
from projects.models import Branch, Stage
from tests import cast

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)


@pytest.fixture
def branch(monkeypatch: pytest.MonkeyPatch, people: SimpleNamespace) -> Branch:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    project = cast.project("demo", people, vault=Vault.objects.create())
    instance = cast.instance(Stage.PRODUCTION, "demo.localhost")
    return cast.branch(project, "main", Stage.PRODUCTION, instance=instance)


def test_over_400_days_it_says_what_will_be_left(branch: Branch) -> None:
    """The rule applied night by night, by the backups' own clock."""
    night, left = datetime(2026, 3, 12, 2, 0, tzinfo=UTC), list[Taken]()
    for day in range(400):
        left.append(Taken(day + 1, night, nightly=True, proven=True))
        stays = to_keep(left, zone=UTC, now=night)
        left = [each for each in left if each.key in stays]
        if day % 23 == 0 or day == 399:
            assert [each.at for each in futurepages.on(branch, night.date())] == [each.at for each in left], night
        night += timedelta(days=1)
    assert len(left) == 14


def test_what_is_there_now_is_told_apart(branch: Branch, client: Client, people: SimpleNamespace) -> None:
    assert branch.project.vault is not None
    assert branch.instance is not None
    Backup.objects.create(
        vault=branch.project.vault, instance=branch.instance, kind=Backup.Kind.NIGHTLY, state="done", snapshot="ab",
        taken_at=NOW - timedelta(hours=10), proof=Backup.Proof.PROVEN,
    )  # fmt: skip
    client.force_login(people.alice)
    page = client.get(f"/demo/branches/{branch.pk}/backups/future/?day=2026-03-14").content.decode()
    assert "4 backups" in page
    assert page.count("To be taken:") == 3
    assert page.count("There now:") == 1


@pytest.mark.parametrize("day", ["2026-02-30", "yesterday", "2026-03-10", "2029-01-01", "<b>"])
def test_a_day_that_is_none_is_refused(branch: Branch, client: Client, people: SimpleNamespace, day: str) -> None:
    client.force_login(people.alice)
    response = client.get(f"/demo/branches/{branch.pk}/backups/future/", {"day": day})
    assert response.status_code == 400
    assert "day-wrong" in response.content.decode()


def test_it_is_for_admins(branch: Branch, client: Client, people: SimpleNamespace) -> None:
    client.force_login(people.tom)
    assert client.get(f"/demo/branches/{branch.pk}/backups/future/").status_code == 403
