"""The restart of the hosted databases' PostgreSQL: visitors wait, and whatever happens are let go on."""

import time
from pathlib import Path

import pytest

from deploy import postgresql, restart
from deploy.clusters import Cluster
from deploy.progress import Progress, SetupError
from hosting import hold
from hosting.engines.haproxy import RouterError
from hosting.engines.postgres import Server, ServerUnreachable, Version
from hosting.models import Instance, Pool, Stage
from portal import clock
from tests import cast
from tests.unit.fakes import World
from tests.unit.hosting import rows

pytestmark = pytest.mark.django_db(transaction=True)
CLUSTER = Cluster("hosted", "c0ffee", Path("/nowhere"), Path("/nowhere"), 5441, (), None, 400, 1)


@pytest.fixture
def live(world: World) -> Pool:
    return rows.live(rows.instance(), world)


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch, live: Pool) -> list[str]:
    """How production's door stood when PostgreSQL was restarted."""
    seen: list[str] = []

    def restarted(*_arguments: object, **_named: object) -> None:
        seen.append(Instance.objects.get(pk=live.instance_id).door)

    monkeypatch.setattr(postgresql, "restart", restarted)
    monkeypatch.setattr(postgresql, "admin_url", lambda *_arguments: "postgresql://nowhere")
    monkeypatch.setattr(restart, "_cluster", lambda *_arguments: CLUSTER)
    monkeypatch.setattr(restart, "postgresql_bin", lambda _values: Path("/nowhere"))
    monkeypatch.setattr(restart, "QUIET_S", 0.05)
    monkeypatch.setattr(Server, "version", lambda _server: Version(16, 16))
    return seen


def again() -> None:
    restart.restart_hosted(Path("/nowhere"), {}, Progress())


def test_visitors_wait_meanwhile_and_go_on_afterwards(world: World, live: Pool, doors: list[str]) -> None:
    again()
    assert doors == ["held"]
    assert world.answer(live.instance.hostname) == rows.COMMIT


def test_it_waits_until_postgresql_answers(
    monkeypatch: pytest.MonkeyPatch, world: World, live: Pool, doors: list[str]
) -> None:
    asked: list[str] = []

    def version(_server: Server) -> Version:
        asked.append(world.answer(live.instance.hostname))
        if len(asked) < 3:
            raise ServerUnreachable("starting up")
        return Version(16, 16)

    monkeypatch.setattr(Server, "version", version)
    again()
    assert asked == ["held"] * 3


def test_no_round_releases_what_a_long_restart_holds(
    monkeypatch: pytest.MonkeyPatch, world: World, live: Pool, doors: list[str]
) -> None:
    monkeypatch.setattr(restart, "RENEW_S", 0.01)
    seen: list[str] = []

    def takes_long(*_arguments: object, **_named: object) -> None:
        Instance.objects.update(held_at=(began := clock.now() - 2 * hold.FORGOTTEN))
        until = time.monotonic() + 30
        while Instance.objects.get().held_at == began and time.monotonic() < until:
            time.sleep(0.01)
        hold.release_forgotten(Instance.objects.all())
        seen.append(world.answer(live.instance.hostname))

    monkeypatch.setattr(postgresql, "restart", takes_long)
    again()
    assert seen == ["held"]


def test_a_request_that_takes_long_puts_it_off_and_nobody_waits(
    monkeypatch: pytest.MonkeyPatch, world: World, live: Pool, doors: list[str]
) -> None:
    monkeypatch.setattr(hold, "wait_until_quiet", lambda _instance, **_named: 2)
    with pytest.raises(SetupError, match="2 requests"):
        again()
    assert doors == []
    assert world.answer(live.instance.hostname) == rows.COMMIT


@pytest.mark.parametrize("error", [SetupError("no", left="", todo=""), KeyboardInterrupt()])
def test_one_that_fails_lets_visitors_go_on(
    monkeypatch: pytest.MonkeyPatch, world: World, live: Pool, doors: list[str], error: BaseException
) -> None:
    def failing(*_arguments: object, **_named: object) -> None:
        raise error

    monkeypatch.setattr(postgresql, "restart", failing)
    with pytest.raises(type(error)):
        again()
    assert world.answer(live.instance.hostname) == rows.COMMIT


def test_it_does_not_begin_while_a_deploy_to_production_goes_on(live: Pool, doors: list[str]) -> None:
    branch = cast.branch(cast.project("other"), "main", Stage.PRODUCTION)
    build = cast.build(branch, result=None)
    with pytest.raises(SetupError, match="is going on"):
        again()
    assert doors == []
    assert build.pk


def test_it_leaves_the_hold_of_another_alone(
    monkeypatch: pytest.MonkeyPatch, world: World, live: Pool, doors: list[str]
) -> None:
    """An update may begin to hold while this looks which doors are open."""
    real = restart.awake

    def awake() -> list[Instance]:
        found = list(real())
        hold.begin(live.instance)
        return found

    monkeypatch.setattr(restart, "awake", awake)
    with pytest.raises(SetupError, match="Somebody else works on"):
        again()
    assert doors == []
    assert world.answer(live.instance.hostname) == "held"


def test_a_deploy_that_began_before_the_hold_puts_it_off(
    monkeypatch: pytest.MonkeyPatch, world: World, live: Pool, doors: list[str]
) -> None:
    real = restart.awake

    def awake() -> list[Instance]:
        cast.build(cast.branch(cast.project("other"), "main", Stage.PRODUCTION), result=None)
        return list(real())

    monkeypatch.setattr(restart, "awake", awake)
    with pytest.raises(SetupError, match="is going on"):
        again()
    assert doors == []
    assert world.answer(live.instance.hostname) == rows.COMMIT


@pytest.mark.parametrize("stuck", ["shop.localhost", "other.localhost"])
def test_one_that_can_not_be_released_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch, world: World, live: Pool, doors: list[str], stuck: str
) -> None:
    rows.live(rows.instance(hostname="other.localhost"), world)
    real = hold.release

    def release(instance: Instance) -> None:
        if instance.hostname == stuck:
            raise RouterError("It answers strangely.")
        real(instance)

    monkeypatch.setattr(hold, "release", release)
    with pytest.raises(RouterError):
        again()
    (other,) = {"shop.localhost", "other.localhost"} - {stuck}
    assert (world.answer(stuck), world.answer(other)) == ("held", rows.COMMIT)
