"""What the API tells visitors of a public project, and members of a weak role: what the pages show them, no more."""

from types import SimpleNamespace
from typing import Any

import pytest

from builds.models import Build
from hosting.models import Runtime
from portal import clock
from portal.models import Scope, Step
from projects.access import Tool, allows
from projects.models import Role, Stage
from tests import cast
from tests.apis import Caller
from tests.unit.builds.test_api_roles import READS, TABLE, address, furnished, operations

BLANK = {
    "message": "",
    "author": "",
    "verdict": "",
    "asked_by": None,
    "trigger": "",
    "operation": None,
    "serves": None,
    "url": None,
    "runtime": None,
    "pinned_at": None,
}
EVERYBODYS = {
    "me",
    "list_tokens",
    "list_projects",
    "list_deleted_projects",
    "list_repositories",
    "show_notifications",
    "list_notices",
}
OF_LOGS = {"list_steps", "read_step_log", "stream_step_log", "show_operation"}


@pytest.fixture
def world(people: SimpleNamespace) -> SimpleNamespace:
    """A public project that has on each stage a build with something in every field."""
    people.anna = cast.person("Anna")
    found = furnished("demo", people)
    found.project.public, found.project.time_zone = True, "Europe/Vienna"
    found.project.save()
    runtime = Runtime.objects.create(host=cast.host(), series="18.0", image_id="r1", frozen_at=clock.now())
    for stage, build in found.builds.items():
        Build.objects.filter(pk=build.pk).update(
            message=f"{stage} subject\n\n{stage} rest of it",
            author=f"{stage} author",
            verdict=f"{stage} verdict",
            asked_by=people.alice,
            trigger=Build.Trigger.WEEKLY,
            runtime=runtime,
            pinned_at=clock.now(),
            switched_at=clock.now(),
            pool=found.branches[stage].instance.live_pool,
        )
        cast.output(Step.objects.filter(story=build.story, name="fetch").get(), f"{stage} output\n")
    return found


def detail(world: SimpleNamespace, caller: Caller, stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = caller.send("get", f"projects/demo/builds/{world.builds[stage].number}/").json()
    return found


@pytest.mark.parametrize("stage", [Stage.STAGING, Stage.PRODUCTION])
def test_a_visitor_reads_the_status_of_staging_and_production_alone(world: SimpleNamespace, stage: Stage) -> None:
    visitor = Caller(world.people.oscar, Scope.READ)

    (listed,) = visitor.send("get", f"projects/demo/builds/?stage={stage}").json()["results"]
    shown = detail(world, visitor, stage)

    assert {name: shown[name] for name in BLANK} == BLANK
    assert listed == {name: shown[name] for name in listed}
    assert (shown["result"], shown["stage"], shown["number"]) == ("success", stage, world.builds[stage].number)
    assert all(detail(world, Caller(world.people.alice), stage).values())  # there is something to hide


def test_a_visitor_reads_of_development_what_the_page_shows(world: SimpleNamespace) -> None:
    shown = detail(world, Caller(world.people.oscar), Stage.DEVELOPMENT)

    assert {name: shown[name] for name in ("message", "author", "verdict")} == {
        "message": "development subject",
        "author": "development author",
        "verdict": "development verdict",
    }
    assert (shown["asked_by"], shown["trigger"], shown["url"]) == (None, "", None)
    assert shown["operation"] == world.builds[Stage.DEVELOPMENT].story_id


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize(("name", "role"), [("dev", Role.DEVELOPER), ("tom", Role.TESTER), ("alice", Role.ADMIN)])
def test_a_member_reads_a_verdict_where_the_role_reads_logs(
    world: SimpleNamespace, name: str, role: Role, stage: Stage
) -> None:
    caller = Caller(getattr(world.people, name))

    shown = detail(world, caller, stage)

    of_logs = {"verdict", "runtime", "pinned_at"} if not allows(role, stage, Tool.LOGS) else set()
    of_connecting = {"url"} if not allows(role, stage, Tool.CONNECT) else set()
    assert {each for each in BLANK if shown[each] == BLANK[each]} == of_logs | of_connecting
    assert shown["message"] == f"{stage} subject\n\n{stage} rest of it"


def test_no_read_tells_a_visitor_what_pages_hide(world: SimpleNamespace) -> None:
    """Every read there is, on each stage: which of them answer at all, and that nothing planted is in an answer."""
    hidden = [f"{stage} {each}" for stage in ("staging", "production") for each in ("subject", "author", "verdict")]
    hidden += [f"{stage} {each}" for stage in Stage for each in ("rest of it", "output")] + ["alice", "Vienna"]
    hidden.remove("development output")
    answered = set()
    for name, method, path in operations():
        if name not in READS:
            continue
        for stage in Stage:
            visitor = Caller(world.people.oscar, Scope.READ)
            answer = visitor.send(method, address(path, world, stage, "demo", visitor))
            said = b"".join(answer) if answer.streaming else answer.content
            assert not [each for each in hidden if each in said.decode()], (name, stage)
            if answer.status_code == 200:
                answered.add((name, stage))
    of_project = {(name, stage) for name in ("show_project", "list_builds", "show_build") for stage in Stage}
    assert {each for each in answered if TABLE[each[0]].tool} == of_project | {
        (name, Stage.DEVELOPMENT) for name in OF_LOGS
    }
    assert {name for name, _stage in answered if not TABLE[name].tool} <= EVERYBODYS


def test_a_visitor_sees_no_settings_of_the_project(world: SimpleNamespace) -> None:
    visitor, member = (
        Caller(each).send("get", "projects/demo/").json() for each in (world.people.oscar, world.people.dev)
    )

    assert (member["time_zone"], member["backup_hour"]) == ("Europe/Vienna", 2)
    assert visitor == member | {"time_zone": None, "backup_hour": None}
