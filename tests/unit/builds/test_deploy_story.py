"""The deploy's own steps: what they refuse, what they say, and what becomes of their files."""

from collections.abc import Callable

import pytest
from django.test import Client

from builds import deploy
from builds.models import Build
from hosting import proof
from hosting.engines.docker import BuildFailed, TimedOut
from hosting.models import Instance, Pool
from portal.models import Command, LogChunk, Result, Story
from projects.git import GitError, SubmoduleError
from projects.models import Branch, Member, Role, Stage
from tests import cast
from tests.unit.fakes.engine import FakeEngine
from tests.unit.fakes.github import FakeMirror
from tests.unit.fakes.stage import NEW, OLD, Scenery, said

pytestmark = pytest.mark.django_db(transaction=True)


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_arguments: object, **_named: object) -> None:
        raise error

    return fail


def test_the_steps_are_those_of_the_stage(stage: Scenery) -> None:
    prepare = {
        Stage.PRODUCTION: ["rehearse", "back_up", "prepare_production", "start_pool", "update_production"],
        Stage.STAGING: ["prepare_staging", "start_pool"],
        Stage.DEVELOPMENT: ["prepare_development", "start_pool"],
    }
    for name in Stage:
        assert [step.name for step in deploy.steps(Build(stage=name))] == [
            *("check_beforehand", "fetch", "look_inside", "build_image"),
            *prepare[name],
            *("prove_ready", "switch_over", "drain", "report"),
        ]
    kept = [step.name for step in deploy.steps(Build(stage=Stage.STAGING, keeps_database=True))]
    assert kept[4:7] == ["keep_database", "start_pool", "update_production"]


def test_a_deploy_tells_what_it_did_and_who_wrote_it(stage: Scenery) -> None:
    build = stage.tell(stage.first())
    assert (build.message, build.author) == ("Change something", "Dev")
    assert build.verdict.startswith("Deployed 2222222 to production in ")
    assert stage.world.statuses == [(NEW, "pending"), (NEW, "success")]
    story = Story.objects.get(pk=build.story_id or 0)
    assert not story.steps.exclude(result=Result.SUCCESS).exists()
    assert {command.argv[0] for command in Command.objects.all()} == {"git", "docker", "odoo"}
    assert not Command.objects.exclude(exit_code=0).exists()


def test_a_new_pool_has_the_cores_after_what_serves_until_it_serves_itself(stage: Scenery) -> None:
    build, seen = stage.same(), []

    def look(what: str) -> None:
        pool = Pool.objects.filter(build_label=f"b{build.pk}").first()
        container = stage.world.containers.get(pool.container("web")) if pool else None
        if container is not None:
            seen.append((what, container.spec.later))

    stage.world.before = look
    pool = stage.tell(build).pool
    assert pool is not None
    switched = next(place for place, (what, _later) in enumerate(seen) if what == "set route")
    assert [later for what, later in seen[:switched] if what == "read build file"] == [True]
    assert not any(later for _what, later in seen[switched:])
    assert stage.world.containers[pool.container("cron")].spec.later


def test_no_secret_is_in_output_or_commands(stage: Scenery) -> None:
    build = stage.tell(stage.staging())
    said_all = "".join(LogChunk.objects.values_list("text", flat=True))
    said_all += " ".join(" ".join(command.argv) for command in Command.objects.all())
    passwords = [p for i in Instance.objects.all() for p in (i.database_password, i.admin_password, i.login_password)]
    assert not [secret for secret in [*passwords, build.project.token] if secret and secret in said_all]


def test_the_builds_files_go_with_its_end(stage: Scenery) -> None:
    build = stage.first()
    seen: list[bool] = []
    stage.world.before = lambda what: seen.append(deploy.folder(build).exists()) if what == "build image" else None
    stage.tell(build)
    assert seen == [True]
    assert not deploy.folder(build).exists()


def test_a_commit_that_is_gone_is_said_and_nothing_is_built(stage: Scenery) -> None:
    build = stage.first()
    stage.world.commits.clear()
    build = stage.tell(build)
    assert said(build).startswith("The commit can't be fetched")
    assert build.verdict.startswith("Failed: The commit can't be fetched, after ")
    assert "build image" not in stage.world.seen
    assert stage.world.statuses[-1] == (NEW, "failure")


@pytest.mark.parametrize(("transient", "remedy"), [(True, "Retry"), (False, "Change")])
def test_a_passing_fault_of_git_is_to_be_retried(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch, transient: bool, remedy: str
) -> None:
    monkeypatch.setattr(FakeMirror, "fetch", raising(GitError("no route", transient=transient)))
    build = stage.tell(stage.first())
    assert Story.objects.get(pk=build.story_id or 0).error_remedy.startswith(remedy)


def test_a_submodule_without_a_key_that_works_leads_to_where_one_is_made(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, url = stage.first(), "git@github.com:acme/lib.git"
    monkeypatch.setattr(FakeMirror, "checkout", raising(SubmoduleError("lib", url, "No key.", wants_key=True)))
    build = stage.tell(build)
    assert "The submodule lib from git@github.com:acme/lib.git can't be fetched" in said(build)
    assert build.inspection == {"wants_key": url}
    for person, shown in ((cast.person("Root", is_superuser=True), True), (cast.person("Dev"), False)):
        Member.objects.get_or_create(project=build.project, user=person, defaults={"role": Role.TESTER})
        client = Client()
        client.force_login(person)
        page = client.get(f"/{build.project.slug}/builds/{build.number}/").content.decode()
        link = f"/{build.project.slug}/settings/submodules/?url=git%40github.com%3Aacme%2Flib.git"
        assert (link in page) == shown


def test_a_repository_without_addons_is_refused_before_anything_is_built(stage: Scenery) -> None:
    build = stage.first()
    stage.world.commits = {NEW: {}}
    assert said(stage.tell(build)).startswith("There are no addons in this repository")
    assert not {"build image", "create database"} & set(stage.world.seen)


def test_an_image_that_does_not_build_says_the_command_and_its_last_lines(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = stage.same()
    failure = BuildFailed("pip ended with exit code 1", command="RUN pip install", exit_code=1, tail="no such package")
    monkeypatch.setattr(FakeEngine, "build", raising(failure))
    build = stage.tell(build)
    assert build.result == Result.FAILURE
    assert "no such package" in said(build)
    assert stage.world.answer("shop.localhost") == OLD


def test_an_image_that_takes_too_long_says_what_to_do(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.same()
    monkeypatch.setattr(FakeEngine, "build", raising(TimedOut("Building image x took over 1800 s and was stopped.")))
    build = stage.tell(build)
    assert build.result == Result.FAILURE
    assert said(build).startswith("Building the image took too long")
    assert "BERTH_BUILD_SECONDS" in Story.objects.get(pk=build.story_id or 0).error_remedy
    assert stage.world.answer("shop.localhost") == OLD


@pytest.mark.parametrize("error", [proof.NotProven(["asset: answered 500"], 180), proof.Died("The container ended.")])
def test_a_pool_that_is_not_proven_gets_no_request_and_leaves_the_old_one(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    build = stage.same()
    answers: set[str] = set()
    stage.world.watch = lambda: answers.add(stage.world.answer("shop.localhost"))
    monkeypatch.setattr(proof, "prove", raising(error))
    build = stage.tell(build)
    assert said(build).startswith("The new pool did not become ready")
    assert answers == {OLD}
    assert Pool.objects.get(pk=build.pool_id or 0).state == Pool.State.GONE


def test_a_pool_is_proven_as_the_branch_wants_it(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.first()
    Branch.objects.update(full_timeout_seconds=33, probe_path="/shop")
    wanted: dict[str, object] = {}
    monkeypatch.setattr(proof, "prove", lambda _pool, **named: wanted.update(named))
    stage.tell(build)
    assert (wanted["timeout"], wanted["path"], wanted["hurry"]) == (33, "/shop", False)


# --- one after the other ----------------------------------------------------------------------------------------------
def in_turn(stage: Scenery, build: Build) -> tuple[list[int], set[str]]:
    """From here on: how many web containers run before each call, and what visitors get."""
    Branch.objects.update(strategy=Branch.Strategy.IN_TURN)
    running: list[int] = []
    answers: set[str] = set()

    def watch() -> None:
        running.append(sum(c.running and name.endswith("web") for name, c in stage.world.containers.items()))
        answers.add(stage.world.answer("shop.localhost"))

    stage.world.watch = watch
    return running, answers


def test_where_memory_is_short_the_old_pool_stops_first_behind_a_page(stage: Scenery) -> None:
    build = stage.same()
    running, answers = in_turn(stage, build)
    build = stage.tell(build)
    assert build.result == Result.SUCCESS, said(build)
    assert max(running) == 1
    assert answers == {OLD, "updating", NEW}


def test_while_visitors_see_a_page_the_proof_hurries(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build, hurried = stage.same(), []
    in_turn(stage, build)
    monkeypatch.setattr(proof, "prove", lambda _pool, **named: hurried.append(named["hurry"]))
    assert stage.tell(build).result == Result.SUCCESS
    assert hurried == [True]


def test_the_old_pool_comes_back_where_the_new_one_fails(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.same()
    running, answers = in_turn(stage, build)
    monkeypatch.setattr(proof, "prove", raising(proof.Died("The container ended.")))
    build = stage.tell(build)
    assert build.result == Result.FAILURE
    assert max(running) == 1
    assert answers == {OLD, "updating"}
    assert stage.world.answer("shop.localhost") == OLD
    assert Pool.objects.get(state=Pool.State.LIVE).commit == OLD


def test_what_a_pool_printed_before_it_failed_is_told_without_its_passwords(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = stage.first()
    monkeypatch.setattr(proof, "prove", raising(proof.Died("The container ended.")))
    monkeypatch.setattr(
        FakeEngine, "logs", lambda *_: f"password={Instance.objects.get().database_password} was refused"
    )
    build = stage.tell(build)
    assert "password=******** was refused" in Story.objects.get(pk=build.story_id or 0).error_detail


def test_a_github_that_breaks_at_the_end_does_not_take_the_end_back(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = stage.first()

    def breaks(what: str) -> None:
        if what == "set commit status" and stage.world.seen[what] == 2:
            raise RuntimeError("what nobody thought of")

    stage.world.before = breaks
    assert stage.tell(build).result == Result.SUCCESS
    assert stage.world.answer("shop.localhost") == NEW


def test_the_second_build_of_a_branch_waits_for_the_first(stage: Scenery) -> None:
    first = stage.first()
    branch = Branch.objects.get()
    Story.objects.filter(pk=first.story_id or 0).update(state="running", claim="x", started_at="2026-01-01T00:00Z")
    second = stage.build(branch, NEW)
    stage.look(second)
    assert Build.objects.get(pk=second.pk).state == "queued"
