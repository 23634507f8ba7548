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


def test_rounds_stand_behind_no_backup_or_restore_however_many_there_are() -> None:
    beside = {name for name, (queue, _seconds) in ROUNDS.items() if queue not in ("urgent", "rounds", "outside")}
    assert beside == {"builds.measuring.measure", "hosting.runtimes.freeze_due"}  # which nothing waits for
    assert not {"rounds", "outside"} & set(queues().values())
    rounds = [import_string(name) for name, (queue, _seconds) in ROUNDS.items() if queue == "rounds"]
    assert all(hasattr(each, "__wrapped__") for each in rounds)  # see portal/rounds.py


def test_every_queue_has_a_worker() -> None:
    assert set(queues().values()) <= set(settings.BERTH_WORKERS)
