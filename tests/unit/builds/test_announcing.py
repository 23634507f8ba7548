"""What the end of a build or a backup tells programs and people."""

import json

import pytest

from builds import announcing
from builds.models import Build
from hosting.models import Backup, Vault
from portal.models import Result, State
from projects.models import Hook, HookDelivery, Notice, Project, Stage
from projects.news import Event
from tests import cast
from tests.unit.fakes.stage import Scenery


@pytest.fixture
def project(people: object) -> Project:
    made = cast.project("demo", people)  # type: ignore[arg-type]
    Hook.objects.create(project=made, url="https://hooks.example/", events=Event.values)
    return made


def events() -> list[str]:
    return list(HookDelivery.objects.order_by("pk").values_list("event", flat=True))


@pytest.mark.parametrize(
    ("stage", "result", "event"),
    [
        (Stage.PRODUCTION, Result.SUCCESS, "deploy.done"),
        (Stage.PRODUCTION, Result.WARNING, "deploy.done"),
        (Stage.PRODUCTION, Result.FAILURE, "deploy.failed"),
        (Stage.STAGING, Result.SUCCESS, "build.done"),
        (Stage.DEVELOPMENT, Result.FAILURE, "build.failed"),
    ],
)
def test_a_build_tells_what_became_of_it(project: Project, stage: Stage, result: Result, event: str) -> None:
    build = cast.build(cast.branch(project, "main", stage), result=result, verdict="It is done")
    announcing.build(build)
    told = json.loads(HookDelivery.objects.get().body)
    assert told["event"] == event
    assert told["title"] == "#1 main: It is done"
    assert (told["build"]["commit"], told["build"]["stage"]) == (build.commit, stage)
    assert told["url"].endswith("/demo/builds/1/")


def test_a_cancelled_build_is_no_news(project: Project) -> None:
    announcing.build(cast.build(cast.branch(project, "main"), result=Result.CANCELLED))
    assert events() == []


@pytest.mark.parametrize(
    ("proof", "event"), [(Backup.Proof.PROVEN, "backup.done"), (Backup.Proof.FAILED, "backup.failed")]
)
def test_a_backup_tells_whether_it_is_proven(project: Project, proof: Backup.Proof, event: str) -> None:
    instance = cast.instance(Stage.PRODUCTION, "demo.localhost")
    cast.branch(project, "main", Stage.PRODUCTION, instance=instance)
    values = {"vault": Vault.objects.create(), "kind": Backup.Kind.NIGHTLY, "state": State.DONE}
    backup = Backup.objects.create(instance=instance, proof=proof, wrong="2 rows are missing\nin x", **values)
    announcing.backup(backup)
    assert events() == [event]
    told = json.loads(HookDelivery.objects.get().body)
    assert told["backup"]["proven"] == (proof == Backup.Proof.PROVEN)
    assert told["title"].startswith("Nightly backup of main: ")
    assert set(Notice.objects.values_list("user__username", flat=True)) == (
        {"alice"} if event == "backup.failed" else set()
    )


@pytest.mark.django_db(transaction=True)
def test_a_deploy_tells_at_its_end_and_once(stage: Scenery) -> None:
    build = stage.first()
    Hook.objects.create(project=build.project, url="https://hooks.example/", events=Event.values)
    build = stage.tell(build)
    assert events() == ["deploy.done"]
    told = json.loads(HookDelivery.objects.get().body)
    assert (told["build"]["result"], told["build"]["verdict"]) == (Result.SUCCESS, build.verdict)
    assert told["build"]["address"] == Build.objects.get(pk=build.pk).instance.url  # type: ignore[union-attr]
