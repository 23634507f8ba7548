"""What a step wrote, as a page reads it on."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.test import Client

from builds import steplog
from portal import clock
from portal.models import Command, LogChunk, Result, State, Step
from tests import cast


@pytest.fixture
def step(people: SimpleNamespace) -> Step:
    build = cast.build(cast.branch(cast.project("demo", people), "fix"), result=None)
    assert build.story is not None
    found = build.story.steps.get(name="build_image")
    found.chunks.all().delete()
    return found


def shown(excerpt: steplog.Excerpt) -> list[str]:
    return [item.text if isinstance(item, LogChunk) else f"$ {item}" for item in excerpt.items]


def test_commands_stand_before_their_output(step: Step) -> None:
    cast.output(step, "hello\n")
    cast.output(step, "built\n", "docker", "build", ".")

    assert shown(steplog.tail(step)) == ["hello\n", "$ docker build .", "built\n"]


def test_it_reads_on_from_where_it_was(step: Step) -> None:
    cast.output(step, "one\n", "first")
    seen = steplog.tail(step)
    cast.output(step, "two\n", "second")

    news = steplog.following(step, seen.after, seen.command)

    assert shown(news) == ["$ second", "two\n"]
    assert shown(steplog.following(step, news.after, news.command)) == []


def test_it_tells_how_a_command_ended_that_was_running_before(step: Step) -> None:
    cast.output(step, "working\n", "build", exit_code=None)
    seen = steplog.tail(step)
    Command.objects.update(exit_code=7)

    news = steplog.following(step, seen.after, seen.command)

    assert news.unfinished is not None
    assert news.unfinished.exit_code == 7


def test_the_end_and_what_comes_before_make_the_whole(step: Step) -> None:
    for number in range(600):
        cast.output(step, f"{number}\n")
    excerpt = steplog.tail(step)
    items = shown(excerpt)
    while excerpt.before:
        excerpt = steplog.earlier(step, excerpt.before)
        items = shown(excerpt) + items

    assert items == [f"{number}\n" for number in range(600)]


def test_it_follows_until_the_step_is_done(step: Step, client: Client, people: SimpleNamespace) -> None:
    cast.output(step, "one\n")
    client.force_login(people.dev)
    running = client.get("/demo/builds/1/steps/build_image/").content.decode()
    Step.objects.filter(pk=step.pk).update(state=State.DONE, result=Result.SUCCESS)
    done = client.get("/demo/builds/1/steps/build_image/").content.decode()

    assert "?after=" in running
    assert "?after=" not in done


def test_all_of_it_can_be_had_as_text(step: Step, client: Client, people: SimpleNamespace) -> None:
    cast.output(step, "<b>built</b>\n", "docker", "build")
    client.force_login(people.dev)

    response = client.get("/demo/builds/1/steps/build_image/?text")

    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response.getvalue() == b"$ docker build\n<b>built</b>\n"


def test_a_step_that_does_not_exist_is_not_found(step: Step, client: Client, people: SimpleNamespace) -> None:
    client.force_login(people.dev)

    assert client.get("/demo/builds/1/steps/nothing/").status_code == 404


@pytest.mark.parametrize("query", ["after=x", "before=-1", "after=99999999999", "command=9&after=0"])
def test_a_cursor_that_makes_no_sense_does_no_harm(
    query: str, step: Step, client: Client, people: SimpleNamespace
) -> None:
    client.force_login(people.dev)

    assert client.get(f"/demo/builds/1/steps/build_image/?{query}").status_code == 200


def test_it_says_where_output_was_removed_for_its_age(step: Step) -> None:
    at = clock.now() - steplog.KEPT - timedelta(hours=1)
    Step.objects.filter(pk=step.pk).update(state=State.DONE, result=Result.SUCCESS, finished_at=at)
    step.refresh_from_db()
    assert steplog.tail(step).forgotten
    cast.output(step, "kept, as it is the newest build's\n")
    assert not steplog.tail(step).forgotten
