"""What a project may use, and how its limits bite."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from builds import deliveries, stages, upload
from portal import clock
from portal.stories import ProjectError
from projects import plans, quota
from projects.branchforms import BranchForm
from projects.models import Branch, DiskUse, Project, Stage, Subscription
from projects.plans import Limits, Standing
from tests import cast

pytestmark = pytest.mark.django_db
A, B = "a" * 40, "b" * 40


def subscribed(project: Project, **fields: Any) -> Project:
    values = {"code": "ACME-1234", "kind": Subscription.Kind.ENTERPRISE} | fields
    project.subscription = Subscription.objects.create(**values)
    project.save()
    return project


@pytest.fixture
def project(people: SimpleNamespace) -> Project:
    return cast.project("shop", people)


@pytest.fixture
def trial(project: Project) -> Project:
    project.trial_hours = 0
    project.save()
    return project


def test_a_project_from_before_has_no_limits(project: Project) -> None:
    found = plans.plan(project)
    assert (found.standing, found.limits, found.notice, found.is_closed) == (Standing.UNLIMITED, Limits(), "", False)


@pytest.mark.parametrize(
    ("hours", "standing", "days"),
    [
        (0, Standing.TRIAL, 30),
        (1, Standing.TRIAL, 30),
        (719, Standing.TRIAL, 1),
        (720, Standing.TRIAL_OVER, 30),
        (1439, Standing.TRIAL_OVER, 1),
        (1440, Standing.TRIAL_GONE, None),
    ],
)
def test_a_trial_has_its_days(trial: Project, hours: int, standing: Standing, days: int | None) -> None:
    trial.trial_hours = hours
    found = plans.plan(trial)
    assert (found.standing, found.days_left, found.limits) == (standing, days, plans.TRIAL)
    assert found.is_closed is (standing != Standing.TRIAL)


@pytest.mark.parametrize(
    ("ends_in", "hours", "standing"),
    [
        (timedelta(days=5), 0, Standing.FULL),
        (timedelta(days=5), 9999, Standing.FULL),  # renewed
        (timedelta(days=-1), 24, Standing.ENDED),
        (timedelta(days=-900), 24, Standing.ENDED),  # by the clock alone, which may be wrong, nothing is locked
        (timedelta(days=-90), 2160, Standing.LOCKED),
    ],
)
def test_a_subscription_ends_by_its_date_and_is_locked_by_hours_that_passed(
    project: Project, ends_in: timedelta, hours: int, standing: Standing
) -> None:
    subscribed(project, ends_at=clock.now() + ends_in)
    project.ended_hours = hours
    assert plans.plan(project).standing == standing


@pytest.mark.parametrize(
    ("workers", "replicas", "most", "granted"),
    [(2, 1, None, (2, 1)), (2, 1, 1, (1, 1)), (4, 2, 6, (3, 2)), (1, 4, 2, (1, 2)), (3, 1, 3, (3, 1))],
)
def test_a_deploy_gets_as_many_workers_as_there_are(
    project: Project, workers: int, replicas: int, most: int | None, granted: tuple[int, int]
) -> None:
    subscribed(project, workers=most)
    branch = cast.branch(project, "main", Stage.PRODUCTION, workers=workers, replicas=replicas)
    assert plans.granted_workers(branch) == granted


def test_more_workers_than_there_are_can_not_be_set(project: Project) -> None:
    subscribed(project, workers=4)
    branch = cast.branch(project, "main", Stage.PRODUCTION, workers=2, replicas=1)
    plain = BranchForm(instance=branch, cpus=1)
    values = {name: plain[name].value() for name in plain.fields}
    form = BranchForm(values | {"workers": "3", "replicas": "2"}, instance=branch, cpus=1)
    assert form.errors["workers"] == [
        "The project's subscription has 4 workers in all; this makes 6. Choose fewer, or ask the operator for more."
    ]
    assert BranchForm(values | {"workers": "2", "replicas": "2"}, instance=branch, cpus=1).is_valid()


def test_a_setting_beside_can_be_changed_where_there_are_too_many_already(trial: Project) -> None:
    branch = cast.branch(trial, "main", Stage.PRODUCTION, workers=2, replicas=1)
    plain = BranchForm(instance=branch, cpus=1)
    values = {name: plain[name].value() for name in plain.fields}
    assert BranchForm(values | {"keep_minutes": "5"}, instance=branch, cpus=1).is_valid()


def test_a_third_branch_on_staging_is_refused_on_a_trial(trial: Project, people: SimpleNamespace) -> None:
    for name in ("one", "two"):
        cast.branch(trial, name, Stage.STAGING, head=A)
    third = cast.branch(trial, "three", head=A)
    with pytest.raises(ProjectError) as refused:
        stages.move(branch=third, stage=Stage.STAGING, by=people.alice)
    assert refused.value.detail == (
        "The project's trial has 2 staging branches, and all are in use. Nothing was changed."
    )
    assert refused.value.remedy == "Move another branch off staging first, or ask the operator for more."
    third.refresh_from_db()
    assert (third.stage, third.builds.count()) == (Stage.DEVELOPMENT, 0)


def test_a_push_that_brings_a_deleted_branch_back_takes_nobodys_place_on_staging(trial: Project) -> None:
    back = cast.branch(trial, "back", Stage.STAGING, head=A, deleted_at=clock.now())
    for name in ("one", "two"):
        cast.branch(trial, name, Stage.STAGING, head=A)
    deliveries.move_branch(trial, "back", B, before="")
    back.refresh_from_db()
    assert (back.stage, back.head, back.builds.get().stage) == (Stage.DEVELOPMENT, B, Stage.DEVELOPMENT)


def test_where_there_is_room_it_comes_back_to_staging(trial: Project) -> None:
    cast.branch(trial, "back", Stage.STAGING, head=A, deleted_at=clock.now())
    deliveries.move_branch(trial, "back", B, before="")
    assert Branch.objects.get().stage == Stage.STAGING


@pytest.mark.parametrize(("own", "plan", "expected"), [(5, 9, 5), (9, 5, 5), (0, 5, 5), (5, None, 5), (0, None, None)])
def test_of_quota_and_subscription_the_smaller_counts(
    project: Project, own: int, plan: int | None, expected: int | None
) -> None:
    subscribed(project, storage_gb=plan)
    project.quota_gb = own
    assert quota.limit(project) == (expected * quota.GB if expected else None)


def test_on_a_trial_each_database_counts_with_its_files(trial: Project) -> None:
    def measured(kind: DiskUse.Kind, name: str, gb: float) -> None:
        size = int(gb * quota.GB)
        DiskUse.objects.create(project=trial, kind=kind, name=name, bytes=size, measured_at=clock.now())

    for name in ("i1", "i2"):
        measured(DiskUse.Kind.DATABASE, name, 0.6)
    measured(DiskUse.Kind.VAULT, "v1", 3)
    assert not quota.storage(trial).is_over
    measured(DiskUse.Kind.FILES, "i2", 0.5)
    found = quota.storage(trial)
    assert (found.is_over, found.has_too_large, found.largest) == (True, True, int(0.6 * quota.GB) + quota.GB // 2)


def test_an_archive_larger_than_a_database_may_be_is_not_taken(trial: Project, people: SimpleNamespace) -> None:
    main = cast.branch(trial, "main", Stage.PRODUCTION)
    with pytest.raises(ProjectError) as refused:
        upload.begin(branch=main, name="all.zip", size=2 * quota.GB, by=people.alice)
    assert refused.value.detail == (
        "A database of this project may have 1 GB, and this would have 2.0 GB. Nothing was changed."
    )
