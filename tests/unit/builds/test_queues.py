"""Which stories wait for which: what somebody waits for never stands behind a build, nor a deploy behind the rest."""

from django.conf import settings
from django.utils.module_loading import import_string

from builds.management.commands.agent import ROUNDS
from portal import stories

QUICK = {"sleep", "wake", "rollback", "resize"}  # a wake-up waits for the end of falling asleep


def queues() -> dict[str, str]:
    return {name: kind.queue for name, kind in stories._kinds.items()}


def test_what_somebody_waits_for_has_a_queue_of_its_own() -> None:
    assert {queue for name, queue in queues().items() if name in QUICK} == {"urgent"}
    assert settings.BERTH_WORKERS["urgent"] > 1  # nor does a rollback wait for a database that wakes up


def test_forgotten_holds_are_released_behind_no_clean_up() -> None:
    urgent = {name for name, (queue, _seconds) in ROUNDS.items() if queue == "urgent"}
    assert urgent == {"builds.rounds.release_forgotten"}


def test_only_deploys_are_on_the_queue_of_deploys() -> None:
    assert [name for name, queue in queues().items() if queue == "deploy"] == ["deploy"]


def test_rounds_and_backups_share_a_queue_where_neither_waits_for_the_other() -> None:
    """No two rounds go on at once, and no two backups of a host: one more worker than these is always free."""
    assert queues()["backup"] == "background"
    assert settings.BERTH_WORKERS["background"] > 2
    rounds = [import_string(name) for name, (queue, _seconds) in ROUNDS.items() if queue == "background"]
    assert all(hasattr(each, "__wrapped__") for each in rounds)


def test_every_queue_has_a_worker() -> None:
    assert set(queues().values()) <= set(settings.BERTH_WORKERS)
