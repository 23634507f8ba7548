"""The page of one build."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.test import Client

from builds.models import Build
from builds.origin import Origin, Way
from portal import clock
from portal.models import AuditEntry, Result, State, Story
from projects.models import Branch, Stage
from tests import cast


@pytest.fixture
def branch(people: SimpleNamespace) -> Branch:
    return cast.branch(cast.project("demo", people), "fix")


@pytest.fixture
def dev(client: Client, people: SimpleNamespace) -> Client:
    client.force_login(people.dev)
    return client


def page(client: Client, build: Build, **headers: str) -> str:
    return client.get(f"/demo/builds/{build.number}/", headers=headers).content.decode()


def story(build: Build) -> Story:
    return Story.objects.get(kind="deploy", object_id=build.pk)


def fail(build: Build) -> None:
    Story.objects.filter(object_id=build.pk).update(
        error_title="The image could not be built", error_detail="pip: no <reportlab>", error_remedy="Correct it."
    )


def test_it_begins_with_the_verdict(dev: Client, branch: Branch) -> None:
    build = cast.build(branch, verdict="Deployed 4f2c9a1 to development in 41 s")

    found = page(dev, build)

    assert "Deployed 4f2c9a1 to development in 41 s" in found
    assert "<title>✔ #1 Success · Demo · Berth</title>" in found


def test_a_failed_one_says_what_was_wrong_and_what_to_do(dev: Client, branch: Branch) -> None:
    build = cast.build(branch, result=Result.FAILURE)
    fail(build)

    found = page(dev, build)

    assert "The image could not be built" in found
    assert "pip: no &lt;reportlab&gt;" in found
    assert "Correct it." in found
    assert "✖ #1 Failed" in found


def test_the_failed_step_is_open_with_its_last_lines(dev: Client, branch: Branch) -> None:
    build = cast.build(branch, result=Result.FAILURE)
    step = story(build).steps.get(name="build_image")
    for number in range(300):
        cast.output(step, f"line {number} <b>\n")

    found = page(dev, build)

    assert found.count("<details data-step open>") == 1
    assert "line 299 &lt;b&gt;" in found
    assert "line 250 " in found
    assert "line 200 " not in found
    assert "Show earlier lines" in found


def test_steps_that_were_not_reached_do_not_look_as_if_they_waited(dev: Client, branch: Branch) -> None:
    found = page(dev, cast.build(branch, result=Result.FAILURE))

    assert found.count("Not reached:") == 5
    assert "Waiting:" not in found


def test_a_running_one_says_how_far_it_is_and_is_polled(dev: Client, branch: Branch) -> None:
    found = page(dev, cast.build(branch, result=None))

    assert "step 3 of 8" in found
    assert 'hx-trigger="every 2s"' in found
    assert "● #1 Running" in found


def test_a_finished_one_is_left_in_peace(dev: Client, branch: Branch) -> None:
    assert 'hx-trigger="every' not in page(dev, cast.build(branch))


def test_a_poll_gets_nothing_while_nothing_has_changed(dev: Client, branch: Branch) -> None:
    build = cast.build(branch, result=None)
    seen = page(dev, build).split("seen=")[1][:16]
    poll = {"HX-Request": "true", "HX-Target": "live"}

    same = dev.get(f"/demo/builds/1/?seen={seen}&steps=8", headers=poll)
    story(build).steps.filter(name="build_image").update(state=State.DONE, result=Result.SUCCESS)
    changed = dev.get(f"/demo/builds/1/?seen={seen}&steps=8", headers=poll)

    assert same.status_code == 204
    assert changed.status_code == 200
    assert 'hx-swap-oob="innerHTML:#head-build_image"' in changed.content.decode()
    assert "<html" not in changed.content.decode()


def test_no_page_of_a_build_is_kept_by_the_browser(dev: Client, branch: Branch) -> None:
    cast.build(branch)

    for url in ("/demo/builds/1/", "/demo/builds/1/steps/fetch/", "/demo/builds/1/logs/", "/demo/builds/"):
        assert "no-store" in dev.get(url).headers["Cache-Control"]


def test_a_poll_brings_the_steps_once_they_are_known(dev: Client, branch: Branch) -> None:
    cast.build(branch, result=None)

    found = dev.get("/demo/builds/1/?steps=0", headers={"HX-Request": "true", "HX-Target": "live"}).content.decode()

    assert '<ol class="steps" id="steps" hx-swap-oob="true">' in found


def test_a_waiting_one_says_what_it_waits_for(dev: Client, branch: Branch) -> None:
    cast.build(branch, result=None)
    waiting = cast.build(branch, result=None)
    Build.objects.filter(pk=waiting.pk).update(state=State.QUEUED, started_at=None)

    assert "Waiting for build #1 of the same branch" in page(dev, waiting)


def test_one_that_was_put_off_says_that_it_waits(dev: Client, branch: Branch) -> None:
    build = cast.build(branch, result=None)
    Story.objects.filter(pk=story(build).pk).update(state=State.QUEUED, not_before=clock.now() + timedelta(seconds=30))

    found = page(dev, build)

    assert f"{build.short} waits: the open step below says for what" in found
    assert 'hx-trigger="every 2s"' in found


def test_failing_tests_are_named(dev: Client, branch: Branch) -> None:
    told = {"total": 5, "failed": 1, "errors": 1, "names": ["FAIL: TestA.test_x", "ERROR: TestB.test_y"]}

    found = page(dev, cast.build(branch, result=Result.FAILURE, tests=told))

    assert "2 of 5 tests did not pass" in found
    assert "FAIL: TestA.test_x" in found


def test_a_database_of_the_stand_in_says_so(dev: Client, branch: Branch) -> None:
    assert "it is not Odoo" in page(dev, cast.build(branch, odoo_image="stand-in for Odoo 18.0"))
    assert "it is not Odoo" not in page(dev, cast.build(branch, odoo_image="odoo:18.0"))


def test_only_the_build_that_serves_offers_to_connect(dev: Client, branch: Branch) -> None:
    branch.instance = cast.instance(Stage.DEVELOPMENT, "fix.localhost")
    former = cast.build(branch)
    serving = cast.build(branch, pool=branch.instance.live_pool)

    assert branch.instance.url in page(dev, serving)
    assert branch.instance.url not in page(dev, former)


def test_who_may_not_read_the_logs_sees_how_it_stands(client: Client, people: SimpleNamespace) -> None:
    project = cast.project("demo", people)
    build = cast.build(cast.branch(project, "main", Stage.PRODUCTION), result=Result.FAILURE, verdict="secret verdict")
    fail(build)
    client.force_login(people.dev)

    found = page(client, build)

    assert "Failed" in found
    assert "Build image" in found
    for hidden in ("secret verdict", "could not be built", "data-step", "Retry"):
        assert hidden not in found


def test_a_visitor_sees_the_status_of_production_and_nothing_else(client: Client, people: SimpleNamespace) -> None:
    project = cast.project("demo", people, public=True)
    build = cast.build(cast.branch(project, "main", Stage.PRODUCTION), message="Secret plan", verdict="Deployed")

    found = page(client, build)

    assert "Success" in found
    for hidden in ("Secret plan", "Build image", "Deployed", "Rebuild"):
        assert hidden not in found


def test_rebuilding_begins_another_build_of_the_same_commit(dev: Client, branch: Branch) -> None:
    build = cast.build(branch)

    response = dev.post("/demo/builds/1/rebuild/")

    again = branch.builds.get(number=2)
    assert response["Location"] == "/demo/builds/2/"
    assert (again.commit, again.state, str(again.asked_by)) == (build.commit, State.QUEUED, "dev")


def test_a_deleted_branch_is_not_rebuilt(dev: Client, branch: Branch) -> None:
    build = cast.build(branch)
    Branch.objects.update(deleted_at=build.created_at)

    found = dev.post("/demo/builds/1/rebuild/", follow=True).content.decode()

    assert "was deleted on GitHub" in found
    assert branch.builds.count() == 1


def test_cancelling_asks_the_story_to_end(dev: Client, branch: Branch) -> None:
    build = cast.build(branch, result=None)

    found = dev.post("/demo/builds/1/cancel/", follow=True).content.decode()

    assert story(build).cancel_requested
    assert "being undone" in found
    assert AuditEntry.objects.filter(verb="cancel build", by="dev").exists()


def test_the_failure_card_names_step_command_and_exit_code(dev: Client, branch: Branch) -> None:
    build = cast.build(branch, result=Result.FAILURE)
    fail(build)
    cast.output(story(build).steps.get(name="build_image"), "no\n", "docker", "build", ".", exit_code=17)

    found = page(dev, build)

    assert (
        'Step <a href="#head-build_image">Build image</a>, command <code>docker build .</code>, exit code 17' in found
    )
    assert "Retry" in found


def test_what_was_checked_beforehand_is_shown_and_open_where_something_is_amiss(dev: Client, branch: Branch) -> None:
    well = {"name": "Engine", "says": "Docker Engine <answers>.", "todo": "", "stops": False}
    short = {"name": "Disk", "says": "10 MB are free.", "todo": "Add disk soon.", "stops": False}

    fine, amiss = (page(dev, cast.build(branch, checks=checks)) for checks in ([well], [well, short]))

    assert "all 1 are well" in fine
    assert "&lt;answers&gt;" in fine
    assert "1 of 2 to look at" in amiss
    assert "Add disk soon." in amiss
    assert '<details class="checks" open>' in amiss


# --- where its database came from -------------------------------------------------------------------------------------
@pytest.fixture
def copied(people: SimpleNamespace) -> Build:
    """A build of staging, from a proven restore."""
    branch = cast.branch(cast.project("demo", people), "next", Stage.STAGING)
    instance = cast.instance(Stage.STAGING, "next.localhost")
    instance.neutralised = {"found": {"Scheduled actions": 12, "API keys": 1}, "at": "2026-11-22T02:10:00+00:00"}
    instance.save()
    build = cast.build(branch, instance=instance)
    made = Origin(Way.RESTORE, seconds=8.3, backup=4, taken_at="2026-11-22T02:00:00+00:00", bytes=2**30, files=3)
    made.keep(build)
    return build


def test_a_copy_says_of_what_it_is_and_what_was_switched_off(
    client: Client, people: SimpleNamespace, copied: Build
) -> None:
    client.force_login(people.tom)
    found = page(client, copied)
    assert "A copy of production, made in 8.3 s" in found
    assert "the backup of 22 November, 02:00 UTC" in found
    assert "13 things switched off on it" in found
    told = client.get(f"/demo/builds/{copied.number}/neutralised/").content.decode()
    assert "13 things in all" in told
    assert '<th scope="row">Scheduled actions</th><td>12</td>' in told
    assert "Bank connections, " in told
    assert "Scheduled actions, " not in told


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (Way.LIVE, "Of production as it was on 22 November, 02:00 UTC"),
        (Way.BACKUP, "The backup of 22 November, 02:00 UTC was restored"),
        (Way.IMPORT, "What was imported, restored in 8.3 s"),
    ],
)
def test_it_says_what_it_is_a_copy_of(
    client: Client, people: SimpleNamespace, copied: Build, way: Way, words: str
) -> None:
    Origin(way, seconds=8.3, taken_at="2026-11-22T02:00:00+00:00").keep(copied)
    client.force_login(people.tom)
    assert words in page(client, copied)


def test_a_copy_of_before_there_were_reports_says_so(client: Client, people: SimpleNamespace, copied: Build) -> None:
    Build.objects.filter(pk=copied.pk).update(instance=None)
    client.force_login(people.tom)
    assert "isn&#x27;t there any more" in client.get(
        f"/demo/builds/{copied.number}/neutralised/"
    ).content.decode().replace("'", "&#x27;")


def test_a_template_says_what_it_saved(dev: Client, branch: Branch) -> None:
    build = cast.build(branch)
    Origin(Way.TEMPLATE, seconds=2.1, saved=93.6, modules=("base", "sale")).keep(build)
    found = page(dev, build)
    assert "A template saved 1 min 34 s" in found
    assert "<code>sale</code>" in found


def test_one_from_nothing_says_why(dev: Client, branch: Branch) -> None:
    build = cast.build(branch)
    Origin(Way.NOTHING, why="The branch's settings want it so.").keep(build)
    assert "Everything was installed from nothing. The branch&#x27;s settings want it so." in page(dev, build)
