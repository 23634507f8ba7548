"""Odoo's weekly update of production: in the project's hour, once for each revision, and never where it must not be."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from builds import begin, weekly
from builds.models import Build
from hosting import runtimes
from hosting.models import Host, Instance, Runtime
from portal import clock, stories
from portal.models import AuditEntry, Result, State
from projects.models import Branch, Project, Stage
from tests.unit.fakes.engine import FakeEngine
from tests.unit.fakes.stage import NEW, OLD, Scenery

pytestmark = pytest.mark.django_db(transaction=True)

BRUSSELS = ZoneInfo("Europe/Brussels")


def freeze(stage: Scenery, name: str = "newer", *, urgent: bool = False) -> Runtime:
    stage.world.registry["odoo:18.0"] = f"sha256:{name}"
    FakeEngine(stage.world).pull("odoo:18.0", timeout=1)
    return runtimes.freeze(Host.objects.get(), "18.0", urgent=urgent)


@pytest.fixture
def served(stage: Scenery) -> Build:
    """Production as a push deployed it; its backups begin at two in Brussels."""
    stage.world.commits = {OLD: {"shop": "1.0"}, NEW: {"shop": "1.0"}}
    build = stage.deploy(stage.branch("main", Stage.PRODUCTION), OLD)
    Project.objects.update(time_zone="Europe/Brussels", backup_hour=2)
    return build


def until(hour: int, minute: int = 0) -> timedelta:
    """From now to when clocks in Brussels show this tomorrow: whatever is done now was done before that hour began."""
    now = datetime.now(UTC)
    tomorrow = now.astimezone(BRUSSELS).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(hour, minute), BRUSSELS) - now


def begun(after: Build) -> Build | None:
    weekly.begin_due()
    return Build.objects.filter(pk__gt=after.pk).first()


def test_production_is_deployed_anew_in_its_hour_with_the_same_commit(
    stage: Scenery, served: Build, client: Client, people: SimpleNamespace
) -> None:
    newer = freeze(stage)
    with clock.moved(until(1, 50)):
        assert begun(served) is None
    with clock.moved(until(2, 10)):
        build = begun(served)
        assert build is not None
        assert (build.commit, build.message, build.runtime, build.asked_by) == (OLD, served.message, newer, None)
        assert (build.trigger, build.state) == (Build.Trigger.WEEKLY, State.QUEUED)
        assert begun(build) is None  # it goes on
        told = stage.tell(build)
        assert (told.result, weekly.begin_due()) == (Result.SUCCESS, None)
        assert Build.objects.count() == 2
    entry = AuditEntry.objects.get(verb="update Odoo")
    assert (entry.by, entry.after) == ("Berth", {"build": build.number, "runtime": str(newer), "urgent": False})
    people.alice.is_superuser = True
    people.alice.save()
    client.force_login(people.alice)
    assert "Odoo&#x27;s weekly update" in client.get(f"/shop/builds/{build.number}/").content.decode()


def test_one_that_was_frozen_within_the_hour_waits_for_the_next_night(stage: Scenery, served: Build) -> None:
    with clock.moved(until(2, 5)):
        freeze(stage)
        assert begun(served) is None
    with clock.moved(until(2, 5) + timedelta(days=1)):
        assert begun(served) is not None


def test_after_some_hours_it_waits_for_the_next_night(stage: Scenery, served: Build) -> None:
    freeze(stage)
    with clock.moved(until(5, 50)):
        assert weekly.wanted(weekly.concerned(Host.objects.get()).get()) is not None
    with clock.moved(until(6, 10)):
        assert begun(served) is None


def test_an_urgent_one_waits_for_no_hour(stage: Scenery, served: Build) -> None:
    freeze(stage, urgent=True)
    with clock.moved(until(13)):
        build = begun(served)
    assert build is not None
    assert build.trigger == Build.Trigger.URGENT


def test_what_failed_is_not_tried_again_but_the_next_revision_is(stage: Scenery, served: Build) -> None:
    freeze(stage)
    with clock.moved(until(2, 10)):
        build = begun(served)
        assert build is not None
        stories.cancel(build.story)  # type: ignore[arg-type]
        assert stage.tell(build).result == Result.CANCELLED
        assert begun(build) is None
    with clock.moved(until(2, 10) + timedelta(days=1)):
        assert begun(build) is None
    freeze(stage, "newest")
    with clock.moved(until(2, 10) + timedelta(days=1)):
        assert begun(build) is not None


def test_what_was_rolled_back_stays_so(stage: Scenery, served: Build) -> None:
    freeze(stage)
    with clock.moved(until(2, 10)):
        build = begun(served)
        assert build is not None
        stage.tell(build)
        Instance.objects.update(live_pool=served.pool)
        assert begun(build) is None


def _pinned(_build: Build) -> None:
    Branch.objects.update(runtime=Runtime.objects.earliest("pk"), pinned_until=clock.now() + timedelta(days=9))


def _asleep(_build: Build) -> None:
    Instance.objects.update(door=Instance.Door.ASLEEP)


def _locked(_build: Build) -> None:
    Instance.objects.update(locked=True)


def _trial_is_over(_build: Build) -> None:
    Project.objects.update(trial_hours=30 * 24 + 1)


def _deleted(_build: Build) -> None:
    Project.objects.update(deleted_at=clock.now())


def _repository_gone(_build: Build) -> None:
    Project.objects.update(gone_at=clock.now())


def _deploying(build: Build) -> None:
    begin.begin(branch=build.branch, commit=NEW, by=None)


def _same_image(build: Build) -> None:
    Build.objects.update(runtime=None, base_image_id="sha256:newer")


@pytest.mark.parametrize(
    "obstacle", [_pinned, _asleep, _locked, _trial_is_over, _deleted, _repository_gone, _deploying, _same_image]
)
def test_it_is_left_alone(stage: Scenery, served: Build, obstacle: Callable[[Build], None]) -> None:
    freeze(stage)
    obstacle(served)
    before = Build.objects.latest("pk")
    with clock.moved(until(2, 10)):
        assert begun(before) is None


def test_staging_and_development_wait_for_a_push(stage: Scenery, served: Build) -> None:
    Branch.objects.update(stage=Stage.STAGING)
    freeze(stage)
    with clock.moved(until(2, 10)):
        assert begun(served) is None


def test_one_at_a_time_on_a_host_and_a_push_takes_its_place(stage: Scenery, served: Build) -> None:
    freeze(stage)
    with clock.moved(until(2, 10)):
        build = begun(served)
        assert build is not None
        begin.begin(branch=build.branch, commit=NEW, by=None)
        build.refresh_from_db()
        assert (build.result, build.verdict) == (Result.CANCELLED, begin.SKIPPED)


def test_back_to_an_earlier_revision_is_an_update_too(stage: Scenery, served: Build) -> None:
    earlier = Runtime.objects.get()
    freeze(stage)
    with clock.moved(until(2, 10)):
        build = begun(served)
        assert build is not None
        stage.tell(build)
        back = freeze(stage, earlier.image_id.removeprefix("sha256:"), urgent=True)
        again = begun(build)
    assert back.image_id == earlier.image_id
    assert again is not None
    assert (again.runtime, again.trigger) == (back, Build.Trigger.URGENT)


def test_a_push_that_failed_is_no_try(stage: Scenery, served: Build) -> None:
    newer = freeze(stage, urgent=True)
    push = begin.begin(branch=served.branch, commit=NEW, by=None)
    stories.cancel(push.story)  # type: ignore[arg-type]
    stage.tell(push)
    Build.objects.filter(pk=push.pk).update(runtime=newer)  # which it has from the step that makes the image on
    assert begun(push) is not None


def test_a_pin_that_comes_while_it_waits_keeps_it_out(stage: Scenery, served: Build) -> None:
    former = Runtime.objects.get()
    freeze(stage, urgent=True)
    build = begun(served)
    assert build is not None
    _pinned(build)
    assert stage.tell(build).runtime == former


def test_a_revision_that_a_wrong_clock_dated_is_no_later_for_it(stage: Scenery, served: Build) -> None:
    with clock.moved(timedelta(days=900)):
        freeze(stage)
    freeze(stage)
    with clock.moved(until(2, 10)):
        assert begun(served) is not None
