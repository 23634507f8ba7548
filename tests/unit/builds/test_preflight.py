"""The pre-flight: what stops a deploy, what is only said, and that nothing is touched."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from builds import preflight
from builds.begin import SKIPPED
from builds.models import Build
from hosting import machine_state, walls
from hosting.engines import probe
from hosting.engines.docker import EngineUnreachable, ImageInfo
from hosting.engines.postgres import Load, ServerUnreachable, Version
from hosting.models import Instance, Pool
from portal import clock, stories
from portal.models import LogChunk, Result, State, Story
from projects import quota
from projects.git import GitError
from projects.models import Branch, DiskUse, Project, Stage
from tests import cast
from tests.unit.fakes.cluster import FakeCluster
from tests.unit.fakes.engine import FakeEngine
from tests.unit.fakes.github import FakeMirror
from tests.unit.fakes.router import FakeRouter
from tests.unit.fakes.stage import Scenery

pytestmark = pytest.mark.django_db(transaction=True)
MB = 1024 * 1024


def checks(build: Build) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in Build.objects.get(pk=build.pk).checks}


def story(build: Build) -> Story:
    return Story.objects.get(pk=build.story_id or 0)


def raising(error: Exception) -> Any:
    def fail(*_arguments: object, **_named: object) -> None:
        raise error

    return fail


def stopped(stage: Scenery, build: Build, name: str) -> tuple[Story, dict[str, Any]]:
    """Tell a deploy that is stopped by a finding and touches nothing."""
    before = stage.world.summary()
    build = stage.tell(build)
    assert build.result == Result.FAILURE
    assert [step.name for step in story(build).steps.exclude(started_at=None)] == ["check_beforehand"]
    assert stage.world.summary() == before
    assert name in story(build).error_title
    return story(build), checks(build)[name]


def test_all_is_well_and_each_thing_has_its_row(stage: Scenery) -> None:
    build = stage.tell(stage.same())
    assert build.result == Result.SUCCESS
    found = checks(build)
    assert list(found) == [
        *("Engine", "Disk", "Memory", "Database server", "Router", "Public address", "Firewall", "Watched files"),
        *("Storage", "Repository"),
    ]
    assert [name for name, check in found.items() if check["todo"] or check["stops"]] == []


def test_how_live_data_lies_is_said_once_and_makes_nothing_yellow(stage: Scenery) -> None:
    first = stage.tell(stage.first())
    assert first.result == Result.SUCCESS
    assert "encrypted" in checks(first)["Encryption"]["says"]
    second = stage.tell(stage.build(Branch.objects.get(), first.commit))
    assert "Encryption" not in checks(second)


def test_an_engine_that_is_away_stops_it(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.same()
    monkeypatch.setattr(FakeEngine, "info", raising(EngineUnreachable("gave no answer")))
    build = stage.tell(build)
    assert build.result == Result.FAILURE
    assert "gave no answer" in story(build).error_detail
    assert "Nothing that serves was touched" in story(build).error_detail


def test_one_that_comes_back_meanwhile_does_not(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build, well, asked = stage.same(), FakeEngine.info, []

    def info(engine: FakeEngine) -> Any:
        asked.append(1)
        if len(asked) < 3:
            raise EngineUnreachable("gave no answer")
        return well(engine)

    monkeypatch.setattr(FakeEngine, "info", info)
    assert stage.tell(build).result == Result.SUCCESS


def disk(monkeypatch: pytest.MonkeyPatch, *free: int) -> list[int]:
    """Of 100,000 MB so many are free, one figure each time that it is looked at, the last for good. Returns what was
    looked at.
    """
    figures, seen = list(free), []

    def room(_folder: Path) -> machine_state.Room:
        seen.append(figures.pop(0) if len(figures) > 1 else figures[0])
        return machine_state.Room(size=100_000 * MB, free=seen[-1] * MB)

    monkeypatch.setattr(machine_state, "room", room)
    return seen


def test_too_little_disk_stops_it_and_little_is_said(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, 10_200)
    build = stage.tell(stage.same())
    assert build.result == Result.SUCCESS
    assert checks(build)["Disk"]["todo"].startswith("Less than 10 %")
    disk(monkeypatch, 600)
    build = stage.tell(stage.build(Branch.objects.get(), build.commit))
    assert build.result == Result.FAILURE
    assert checks(build)["Disk"]["stops"]
    assert "600 MB" in story(build).error_detail


def output(build: Build) -> str:
    chunks = LogChunk.objects.filter(step__story=build.story_id, step__name="check_beforehand").order_by("pk")
    return "".join(chunk.text for chunk in chunks)


def put_off(stage: Scenery, build: Build) -> Story:
    stage.look(build)
    told = story(build)
    assert told.is_put_off
    return told


def test_below_a_tenth_of_the_disk_it_waits_and_says_why(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.same()
    disk(monkeypatch, 9_000)
    put_off(stage, build)
    assert "9,000 MB of 100,000 MB are free, which is less than 10 %: new builds wait then." in output(build)
    disk(monkeypatch, 20_000)
    with clock.passed(timedelta(minutes=1)):
        assert stage.tell(build).result == Result.SUCCESS


def test_who_waits_for_disk_keeps_nobody_busy(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only worker of a queue tells what comes next."""
    waiting = stage.same(), stage.build(stage.branch("feature", Stage.DEVELOPMENT), "2" * 40)
    last = stage.build(stage.branch("other", Stage.DEVELOPMENT), "2" * 40)
    disk(monkeypatch, 9_000)
    for build in waiting:
        put_off(stage, build)
    disk(monkeypatch, 20_000)
    assert stage.tell(last).result == Result.SUCCESS
    assert [story(build).state for build in waiting] == [State.QUEUED] * 2


def test_a_push_takes_the_place_of_one_that_waits_for_disk(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    first = stage.same()
    disk(monkeypatch, 9_000)
    put_off(stage, first)
    second = stage.build(first.branch, first.commit)
    disk(monkeypatch, 20_000)
    first = stage.tell(first)
    assert (first.result, first.verdict) == (Result.CANCELLED, SKIPPED)
    assert stage.tell(second).result == Result.SUCCESS


def test_after_an_hour_of_waiting_it_fails_with_the_reason(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.same()
    disk(monkeypatch, 9_000)
    put_off(stage, build)
    with clock.passed(timedelta(minutes=59)):
        put_off(stage, build)
    with clock.passed(timedelta(minutes=61)):
        told = story(stage.tell(build))
    assert told.error_title == "The disk of this machine is nearly full"
    assert "9,000 MB of 100,000 MB are free" in told.error_detail
    assert [step.name for step in told.steps.exclude(started_at=None)] == ["check_beforehand"]


def test_who_waits_for_disk_can_be_cancelled(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.same()
    disk(monkeypatch, 9_000)
    stories.cancel(put_off(stage, build))
    assert stage.tell(build).result == Result.CANCELLED


def test_old_caches_go_first(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.same()
    idle = cast.project("idle")
    mirrors = stage.home / "git"
    (mirrors / f"p{idle.pk}.git").mkdir(parents=True)
    (mirrors / f"p{build.project_id}.git").mkdir()
    stage.world.images["sha256:unused"] = ImageInfo("sha256:unused", (), {"berth.build": "b0"}, 1)
    serving = {container.spec.image_id for container in stage.world.containers.values()}
    disk(monkeypatch, 9_000)
    put_off(stage, build)
    assert "sha256:unused" not in stage.world.images
    assert serving <= set(stage.world.images)
    assert [path.name for path in mirrors.iterdir()] == [f"p{build.project_id}.git"]
    assert "The Git mirror of Idle was removed" in output(build)


# --- production that is much larger than what is free -----------------------------------------------------------------
def large(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases have ten times as many bytes as are free."""
    monkeypatch.setattr(FakeCluster, "size", lambda _cluster, _name: 200_000 * MB)
    disk(monkeypatch, 20_000)


def test_a_copy_for_staging_is_refused_with_the_numbers(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.staging()
    large(stage, monkeypatch)
    told, check = stopped(stage, build, "Disk")
    assert "20,000 MB of 100,000 MB are free" in check["says"]
    assert "about 400," in check["says"]
    assert "Nothing that serves was touched" in told.error_detail


def test_an_update_is_refused_by_its_rehearsal_and_production_serves_on(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = stage.update()
    before = stage.world.summary()
    large(stage, monkeypatch)
    build = stage.tell(build)
    assert story(build).error_title == "Not enough disk for the rehearsal of the update"
    assert "It needs about 400,500 MB; 20,000 MB are free." in story(build).error_detail
    assert "An update of modules takes 400,000 MB more" in checks(build)["Disk"]["says"]
    assert stage.world.summary() == before


def test_a_deploy_that_updates_nothing_goes_on(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes no copy: what is broken must be mendable."""
    build = stage.same()
    large(stage, monkeypatch)
    assert stage.tell(build).result == Result.SUCCESS


# --- the project's quota ----------------------------------------------------------------------------------------------
def measured(build: Build, gigabytes: int) -> None:
    for kind in ("database", "files", "vault"):  # the last doesn't count
        DiskUse.objects.create(
            project=build.project, kind=kind, name="i1", bytes=gigabytes * quota.GB // 2, measured_at=clock.now()
        )


def test_a_project_over_its_quota_gets_no_new_databases(stage: Scenery) -> None:
    build = stage.development()
    Project.objects.update(quota_gb=5)
    measured(build, 6)
    before = stage.world.summary()
    told = story(stage.tell(build))
    assert told.error_title == "The project uses more disk than it may"
    assert "6.0 GB of 5.0 GB (databases 3.0 GB, filestores 3.0 GB, logs 0.0 GB)" in told.error_detail
    assert stage.world.summary() == before


def test_but_its_production_is_deployed(stage: Scenery) -> None:
    build = stage.same()
    Project.objects.update(quota_gb=5)
    measured(build, 6)
    assert stage.tell(build).result == Result.SUCCESS
    assert checks(build)["Storage"]["todo"]


def test_too_little_memory_stops_it(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.same()
    monkeypatch.setattr(machine_state, "available_memory", lambda: 100 * MB)
    build = stage.tell(build)
    assert build.result == Result.FAILURE
    assert "100 MB are available" in checks(build)["Memory"]["says"]


def kept(stage: Scenery, build: Build) -> Pool:
    """The former pool of a build that was deployed."""
    stage.tell(build)
    return Pool.objects.get(state=Pool.State.KEPT)


def memory(stage: Scenery, monkeypatch: pytest.MonkeyPatch, *, free: int, each: int) -> None:
    """So many MB are available while all runs that runs now; each container that goes frees some more."""
    stage.world.used_bytes = each * MB
    began = len(stage.world.containers)

    def available() -> int:
        return (free + each * max(0, began - len(stage.world.containers))) * MB

    monkeypatch.setattr(machine_state, "available_memory", available)


def test_a_kept_pool_makes_room_and_the_page_says_so(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = kept(stage, stage.same())
    memory(stage, monkeypatch, free=100, each=1000)
    build = stage.tell(stage.build(Branch.objects.get(), pool.commit))
    assert build.result == Result.SUCCESS, story(build).error_detail
    pool.refresh_from_db()
    assert (pool.state, pool.not_kept) == (Pool.State.GONE, "a deploy needed its memory.")
    assert checks(build)["Memory"]["says"].endswith(f"was given up: {pool.name}.")
    assert not checks(build)["Memory"]["stops"]


def test_none_is_given_up_where_that_would_not_do(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = kept(stage, stage.same())
    memory(stage, monkeypatch, free=100, each=50)
    stopped(stage, stage.build(Branch.objects.get(), pool.commit), "Memory")
    pool.refresh_from_db()
    assert pool.state == Pool.State.KEPT


def test_jobs_take_memory_beside_the_scheduled_actions(stage: Scenery) -> None:
    build = stage.tell(stage.same())
    before = preflight.needs(build).memory
    Pool.objects.update(queue_job=True)
    assert preflight.needs(Build.objects.get(pk=build.pk)).memory == before + preflight.JOBS_MB * MB


def test_one_after_the_other_needs_no_room_beside_the_old_pool(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.same()
    Branch.objects.update(strategy=Branch.Strategy.IN_TURN)
    monkeypatch.setattr(machine_state, "available_memory", lambda: 100 * MB)
    stage.tell(build)
    assert checks(build)["Memory"]["todo"]
    assert not checks(build)["Memory"]["stops"]


def test_a_database_server_that_is_away_or_full_stops_it(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCluster, "load", lambda _cluster: Load(Version(16, 16), connections=395, limit=400))
    build = stage.tell(stage.first())
    assert checks(build)["Database server"]["stops"]
    monkeypatch.setattr(FakeCluster, "load", raising(ServerUnreachable("PostgreSQL can't be reached")))
    build = stage.tell(stage.build(Branch.objects.get(), build.commit))
    assert "can't be reached" in story(build).error_detail
    assert not Instance.objects.exists()


def test_a_router_that_is_away_stops_it(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.same()
    monkeypatch.setattr(FakeRouter, "is_up", lambda _router: False)
    told, finding = stopped(stage, build, "Router")
    assert finding["todo"] in told.error_remedy


def test_another_program_on_the_public_port_stops_it(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    status = probe.status
    build = stage.same()

    def other(address: str, port: int, path: str, host: str) -> int:
        return 200 if host == "nobody.invalid" else status(address, port, path, host)

    monkeypatch.setattr(probe, "status", other)
    build = stage.tell(build)
    assert build.result == Result.FAILURE
    assert checks(build)["Public address"]["stops"]


def test_missing_firewall_rules_are_put_back(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr(walls, "missing", lambda _installation, _bridges: [] if closed else ["missing: -A X"])
    monkeypatch.setattr(walls, "close", lambda installation, _bridges: closed.append(installation))
    build = stage.tell(stage.first())
    assert build.result == Result.SUCCESS
    assert "put back" in checks(build)["Firewall"]["says"]


def test_rules_that_do_not_stay_are_said(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walls, "missing", lambda _installation, _bridges: ["missing: -A X"])
    monkeypatch.setattr(walls, "close", lambda _installation, _bridges: None)
    build = stage.tell(stage.first())
    assert build.result == Result.SUCCESS
    assert checks(build)["Firewall"]["todo"]


def test_kernel_limits_that_can_not_be_raised_are_said(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_state, "raise_inotify", lambda: {"fs.inotify.max_user_watches": (8192, 524_288)})
    build = stage.tell(stage.first())
    assert build.result == Result.SUCCESS
    assert "sysctl -w fs.inotify.max_user_watches=524288" in checks(build)["Watched files"]["todo"]


def test_a_repository_that_can_not_be_read_stops_it(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeMirror, "ask", raising(GitError("Git failed: there is no such repository.")))
    build = stage.tell(stage.first())
    assert (build.result, story(build).error_title) == (Result.FAILURE, "The repository can't be read")
    assert checks(build)["Repository"]["stops"]
    assert not Instance.objects.exists()
