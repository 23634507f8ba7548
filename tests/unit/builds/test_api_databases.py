"""Mails, scheduled actions and retired databases by the API."""

from types import SimpleNamespace

import pytest

from builds.models import Retired
from hosting.models import CronRun
from portal import clock
from projects.models import Branch, Project, Stage
from tests import cast
from tests.apis import Caller

RAW = (
    b"From: shop@example.com\r\nSubject: Your order\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>Thank you, <b>Bob</b></p>\r\n"
)


@pytest.fixture
def project(people: SimpleNamespace) -> Project:
    return cast.project("demo", people)


@pytest.fixture
def branch(project: Project) -> Branch:
    return cast.branch(project, "dev", instance=cast.instance(Stage.DEVELOPMENT, "dev.localhost"))


@pytest.fixture
def dev(people: SimpleNamespace, branch: Branch) -> Caller:
    return Caller(people.dev)


def test_mails_are_found_and_read(dev: Caller, branch: Branch) -> None:
    mail, _other = cast.mail(branch.instance, RAW, subject="Your order"), cast.mail(branch.instance)
    path = f"projects/demo/branches/{branch.pk}/mails/"

    found = dev.send("get", f"{path}?q=ORDER").json()["results"]
    shown = dev.send("get", f"{path}{mail.pk}/").json()

    assert [(each["id"], each["sender"]) for each in found] == [(mail.pk, "shop@example.com")]
    assert len(dev.send("get", path).json()["results"]) == 2
    assert ("<b>Bob</b>" in shown["html"], shown["whole"], shown["parts"]) == (True, True, [])
    assert dev.send("get", f"{path}{mail.pk}/source/").content == RAW


def test_a_mail_of_another_database_is_not_there(dev: Caller, branch: Branch) -> None:
    other = cast.branch(branch.project, "other", instance=cast.instance(Stage.DEVELOPMENT, "other.localhost"))
    mail = cast.mail(other.instance)

    assert dev.send("get", f"projects/demo/branches/{branch.pk}/mails/{mail.pk}/").status_code == 404
    assert dev.send("get", f"projects/demo/branches/{branch.pk}/mails/{mail.pk}/source/").status_code == 404


def test_a_branch_without_a_database_has_no_mails(dev: Caller, project: Project) -> None:
    bare = cast.branch(project, "bare")

    assert dev.send("get", f"projects/demo/branches/{bare.pk}/mails/").json()["results"] == []


def test_scheduled_actions_tell_their_newest_runs(dev: Caller, branch: Branch) -> None:
    assert branch.instance is not None
    for number in range(7):
        CronRun.objects.create(
            instance=branch.instance, action_id=3, name="Send mails", started_at=clock.now(), pid=number, outcome="done"
        )

    shown = dev.send("get", f"projects/demo/branches/{branch.pk}/actions/").json()

    assert [(run["name"], run["outcome"]) for run in shown["runs"]] == [("Send mails", "done")] * 5


def test_retired_databases_can_be_named_for_a_move(people: SimpleNamespace, project: Project, branch: Branch) -> None:
    instance = cast.instance(Stage.PRODUCTION, "old.localhost")
    row = Retired.objects.create(
        project=project, branch=branch, instance=instance, hostname="demo.localhost", at=clock.now()
    )

    (shown,) = Caller(people.alice).send("get", "projects/demo/retired/").json()["results"]

    assert (shown["id"], shown["database"], shown["hours_left"]) == (row.pk, instance.name, None)
