from datetime import timedelta

import pytest

from portal import clock
from portal.models import Result, State, Story
from portal.templatetags.berth import ago, commit, duration, initials, look, took


@pytest.mark.parametrize(
    ("past", "words"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(minutes=3), "3 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=6), "6 days ago"),
    ],
)
def test_a_time_is_said_as_people_do_and_exactly_on_hover(past: timedelta, words: str) -> None:
    moment = clock.now() - past

    assert ago(moment) == (
        f'<time datetime="{moment.isoformat(timespec="seconds")}"'
        f' title="{moment:%-d %B %Y, %H:%M:%S UTC}">{words}</time>'
    )


def test_a_week_later_the_date_is_said() -> None:
    moment = clock.now() - timedelta(days=30)

    assert f"{moment:%-d %b %Y}</time>" in str(ago(moment))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.24, "0.2 s"), (41.3, "41 s"), (192, "3 min 12 s"), (3900, "1 h 5 min"), (-0.01, "0.0 s"), (None, "")],
)
def test_a_duration_has_its_units(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_it_counts_on_while_something_goes_on() -> None:
    story = Story(started_at=clock.now() - timedelta(seconds=90))

    assert took(story) == pytest.approx(90, abs=1)


def test_a_commit_is_short_and_copied_whole() -> None:
    assert 'data-copy="4f2c9a1' + "0" * 33 in str(commit("4f2c9a1" + "0" * 33))
    assert ">4f2c9a1</button>" in str(commit("4f2c9a1" + "0" * 33))


def test_every_state_has_a_word_and_a_mark() -> None:
    looks = [look(Story(state=State.QUEUED)), look(Story(state=State.RUNNING))]
    looks += [look(Story(state=State.DONE, result=result)) for result in Result if result]

    assert all(each.word and each.mark for each in looks)
    assert len({each.word for each in looks}) == len({each.mark for each in looks}) == 6
    assert look(None).word == "No build yet"


def test_people_are_shown_by_their_initials() -> None:
    assert [initials("Alice Ferrari"), initials("dev-ops"), initials("")] == ["AF", "DO", "?"]
