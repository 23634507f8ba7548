"""What the cron containers' logs say becomes rows; what is killed at its limit three times in a row is switched off."""

from pathlib import Path

import pytest

from hosting import cronruns, pools
from hosting.engines.postgres import TookTooLong
from hosting.models import CronRun, Instance, Pool
from hosting.odoo.conf import Purpose
from tests.unit.fakes import World
from tests.unit.fakes.cluster import FakeDatabase
from tests.unit.hosting import rows

pytestmark = pytest.mark.django_db

CRON = "odoo.addons.base.models.ir_cron"
Outcome = CronRun.Outcome


@pytest.fixture
def log(world: World, tmp_path: Path) -> Path:
    pool = rows.live(rows.instance(), world)
    return tmp_path / "instances" / pool.instance.name / "log" / pools.log_name(pool, Purpose.CRON)


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """Actions that were switched off in their database."""
    asked: list[tuple[int, str]] = []

    def switch_off(_database: FakeDatabase, action_id: int, name: str) -> None:
        asked.append((action_id, name))

    monkeypatch.setattr(FakeDatabase, "switch_off_action", switch_off, raising=False)
    return asked


def line(message: str, *, pid: int = 21, logger: str = CRON, level: str = "INFO", second: int = 0) -> str:
    return f"2026-11-22 01:02:{second:02},859 {pid} {level} b_i1 {logger}: {message} \n"


def killed(name: str = "'Mail: send' (7)", pid: int = 21) -> str:
    word = line(f"WorkerCron ({pid}) timeout after 970s", pid=1, logger="odoo.service.server", level="ERROR", second=9)
    return line(f"Job {name} starting", pid=pid) + word


def outcomes() -> list[str]:
    return list(CronRun.objects.order_by("pk").values_list("outcome", flat=True))


def write(log: Path, text: str) -> list[CronRun]:
    """Append to the log, and let a round read it."""
    with log.open("a") as file:
        file.write(text)
    return cronruns.read_all()


def test_a_run_has_begin_end_and_outcome(log: Path) -> None:
    write(log, line("Job 'Mail: send' (7) starting", second=1) + line("Job 'Mail: send' (7) done in 2.000s", second=3))
    run = CronRun.objects.get()
    assert (run.name, run.action_id, run.outcome) == ("Mail: send", 7, Outcome.DONE)
    assert run.finished_at is not None
    assert (run.finished_at - run.started_at).total_seconds() == 2


def test_a_failure_is_one_though_its_traceback_follows(log: Path) -> None:
    failed = line("Job 'Mail: send' (7) server action #9 failed", level="ERROR") + "Traceback (most recent ...):\n"
    write(log, line("Job 'Mail: send' (7) starting") + failed)
    assert outcomes() == [Outcome.FAILED]


def test_older_series_name_it_alone(log: Path) -> None:
    write(log, line("Starting job `Mail: send`.") + line("Job `Mail: send` done."))
    run = CronRun.objects.get()
    assert (run.name, run.action_id, run.outcome) == ("Mail: send", 0, Outcome.DONE)


def test_it_reads_on_where_it_was(log: Path) -> None:
    write(log, line("Job 'Mail: send' (7) starting"))
    assert outcomes() == [Outcome.RUNNING]
    write(log, line("Job 'Mail: send' (7) done in 1.000s"))
    write(log, "")
    assert outcomes() == [Outcome.DONE]


def test_what_a_rotated_log_said_last_is_not_lost(log: Path) -> None:
    write(log, line("Job 'Mail: send' (7) starting"))
    with log.open("a") as file:
        file.write(line("Job 'Mail: send' (7) done in 1.000s"))
    log.rename(log.with_name(f"{log.name}.1"))
    write(log, line("Job 'Clean' (8) starting"))
    cronruns.read_all()
    assert outcomes() == [Outcome.DONE, Outcome.RUNNING]


def test_the_worker_that_is_killed_says_which_run_it_was(log: Path) -> None:
    write(log, line("Job 'Other' (8) starting", pid=22) + killed())
    assert outcomes() == [Outcome.RUNNING, Outcome.TIMEOUT]


def test_a_run_whose_server_ended_is_not_running_for_ever(log: Path) -> None:
    write(log, line("Job 'Mail: send' (7) starting") + line("Job 'Mail: send' (7) starting", pid=33))
    assert outcomes() == [Outcome.STOPPED, Outcome.RUNNING]


def test_three_timeouts_in_a_row_switch_it_off_once(log: Path, off: list[tuple[int, str]]) -> None:
    assert write(log, killed() * 2) == []
    assert [run.name for run in write(log, killed())] == ["Mail: send"]
    assert write(log, "") == []
    assert off == [(7, "Mail: send")]
    assert [run.name for run in cronruns.switched_off(Instance.objects.get())] == ["Mail: send"]


def test_a_run_that_ends_between_breaks_the_row(log: Path, off: list[tuple[int, str]]) -> None:
    done = line("Job 'Mail: send' (7) starting") + line("Job 'Mail: send' (7) done in 1.000s")
    write(log, killed() * 2 + done + killed() * 2)
    assert off == []


def test_timeouts_of_different_actions_are_not_added_up(log: Path, off: list[tuple[int, str]]) -> None:
    write(log, killed() * 2 + killed("'Clean' (8)") * 2)
    assert off == []


def test_one_that_is_switched_on_again_gets_three_more_tries(log: Path, off: list[tuple[int, str]]) -> None:
    write(log, killed() * 3)
    write(log, killed() * 2)
    assert len(off) == 1
    assert cronruns.switched_off(Instance.objects.get()) == []
    write(log, killed())
    assert len(off) == 2


def test_what_can_not_be_switched_off_now_is_tried_again(
    log: Path, off: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise TookTooLong("locked")

    with monkeypatch.context() as patch:
        patch.setattr(FakeDatabase, "switch_off_action", refuse)
        assert write(log, killed() * 3) == []
    assert len(write(log, "")) == 1


def test_only_the_last_runs_are_kept(log: Path) -> None:
    write(log, (line("Job 'Mail: send' (7) starting") + line("Job 'Mail: send' (7) done in 1.000s")) * 30)
    assert CronRun.objects.count() == cronruns.KEPT


def test_what_a_tenant_writes_himself_is_bounded(log: Path) -> None:
    write(log, line(f"Job '{'x' * 900}' (7) starting") + line("Job 'x' (99999999999) starting") + "\x00\n")
    assert len(CronRun.objects.get().name) == 200


def test_a_pool_without_a_log_is_no_fault(log: Path) -> None:
    assert cronruns.read_all() == []
    assert Pool.objects.get().cron_log_read == 0
