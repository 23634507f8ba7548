"""A pool is proven from all its sides, or not at all."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from hosting import machines, proof
from hosting.engines import probe
from hosting.engines.docker import EngineUnreachable
from hosting.engines.postgres import ModuleState, ServerUnreachable
from hosting.engines.probe import Answer
from hosting.models import Pool
from portal.telling import Cancelled
from tests.unit.fakes import World
from tests.unit.fakes.cluster import FakeCluster, FakeDatabase
from tests.unit.fakes.engine import FakeEngine
from tests.unit.hosting import rows


@pytest.fixture
def pool(world: World, monkeypatch: pytest.MonkeyPatch) -> Pool:
    monkeypatch.setattr(proof, "FIRST_PROOF_S", 0.0)
    monkeypatch.setattr(proof, "LIVENESS_S", 0.0)
    return rows.started(rows.instance(), world)


def prove(pool: Pool, timeout: float = 20) -> list[str]:
    said: list[str] = []
    proof.prove(pool, timeout=timeout, say=said.append, keep_going=lambda: None)
    return said


def failures(pool: Pool) -> dict[str, str]:
    return {check.name: check.failure for check in proof.look(pool) if check.failure}


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_arguments: object, **_named: object) -> None:
        raise error

    return fail


def test_a_pool_that_is_well_is_proven_at_once(pool: Pool) -> None:
    (said,) = prove(pool)
    assert said.startswith("Proven after")
    assert said.endswith("container, commit, database, modules, web port, websocket port, login page, asset, websocket")


def warmed(pool: Pool, monkeypatch: pytest.MonkeyPatch, keep_going: Callable[[], None] = lambda: None) -> list[str]:
    """Where pages were asked for."""
    asked: list[str] = []
    monkeypatch.setattr(probe, "get", lambda address, *_: asked.append(address))
    with suppress(Cancelled):
        proof.warm(pool, "/shop", keep_going)
    return asked


def test_each_worker_of_a_proven_pool_answers_pages_before_visitors_come(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert warmed(pool, monkeypatch) == [pool.web["web"]] * pool.workers * proof.WARM_PAGES


def test_pages_that_take_long_do_not_put_the_switch_off(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "WARM_S", 0.0)
    assert warmed(pool, monkeypatch) == []


def test_who_cancels_does_not_wait_for_the_pages(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert warmed(pool, monkeypatch, raising(Cancelled())) == []


def test_a_stranger_at_the_address_proves_nothing(world: World, pool: Pool) -> None:
    world.containers[pool.container("web")].spec.__dict__["image_id"] = "sha256:stranger"
    world.images["sha256:stranger"] = world.images[pool.image_id]
    assert failures(pool) == {"container": f"runs image sha256:stranger, not {pool.image_id}"}


def test_another_commit_in_the_image_is_seen(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEngine, "read_file", lambda *_: b'{"commit": "dddddddddd", "build": "b1"}')
    assert failures(pool) == {"commit": "the build file says ddddddd, build b1"}


@pytest.mark.parametrize("content", [b"", b"not JSON", b"[1, 2]", b"7", b"\xff\xfe"])
def test_a_build_file_that_is_none_proves_nothing(pool: Pool, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(FakeEngine, "read_file", lambda *_: content)
    assert failures(pool) == {"commit": "the build file can't be read"}


def test_a_container_on_another_database_is_seen(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCluster, "clients", lambda *_: {"10.1.0.99": 3})
    assert failures(pool) == {"database": "no connection to its database yet"}


def test_modules_that_are_not_done_are_named(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [ModuleState("sale", "to upgrade", "18.0.1.0")]
    monkeypatch.setattr(FakeDatabase, "modules_left_over", lambda *_: left)
    assert failures(pool) == {"modules": "not finished: sale (to upgrade)"}


@pytest.mark.parametrize(
    ("page", "failing"),
    [
        (Answer(500, "Internal Server Error"), {"login page", "asset"}),
        (Answer(200, "<p>no form</p>"), {"login page", "asset"}),
        (Answer(200, "<form>"), {"asset"}),
    ],
)
def test_a_login_page_is_a_form_with_an_asset(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, page: Answer, failing: set[str]
) -> None:
    monkeypatch.setattr(probe, "get", lambda *_: page)
    assert set(failures(pool)) == failing


@pytest.mark.parametrize(("status", "said"), [(500, "answered 500"), (303, "answered 303"), (0, "answered nothing")])
def test_the_path_of_the_settings_must_answer_too(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, status: int, said: str
) -> None:
    real = probe.get
    monkeypatch.setattr(
        probe, "get", lambda a, port, path, host: Answer(status, "") if path == "/shop" else real(a, port, path, host)
    )
    assert failures(pool) == {}
    with pytest.raises(proof.NotProven) as caught:
        proof.prove(pool, timeout=0, say=lambda _: None, keep_going=lambda: None, path="/shop")
    assert caught.value.failures == [f"/shop: {said}"]


def test_a_websocket_needs_its_handshake(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "websocket", lambda *_: 400)
    assert failures(pool) == {"websocket": "the handshake answered 400"}


@pytest.mark.parametrize(
    ("fake", "call", "error"),
    [
        (FakeEngine, "read_file", EngineUnreachable("The engine gave no answer.")),
        (FakeCluster, "clients", ServerUnreachable("PostgreSQL can't be reached.")),
        (FakeDatabase, "modules_left_over", ServerUnreachable("PostgreSQL can't be reached.")),
    ],
)
def test_what_is_away_for_a_moment_is_looked_at_again(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, fake: type, call: str, error: Exception
) -> None:
    real, errors = getattr(fake, call), iter([error])

    def once_away(*arguments: object, **named: object) -> object:
        for away in errors:
            raise away
        return real(*arguments, **named)

    monkeypatch.setattr(fake, call, once_away)
    first, second = prove(pool)
    assert first.startswith("Not yet: ")
    assert str(error) in first
    assert second.startswith("Proven")


def test_what_is_missing_is_told_when_the_time_is_up(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCluster, "clients", lambda *_: {})
    with pytest.raises(proof.NotProven, match="database: no connection") as caught:
        prove(pool, timeout=0)
    assert caught.value.failures == ["database: no connection to its database yet"]


def test_it_does_not_wait_for_a_container_that_ended(world: World, pool: Pool) -> None:
    world.containers[pool.container("web")].running = False
    with pytest.raises(proof.Died, match="ended while Odoo was starting"):
        prove(pool)


def test_it_does_not_wait_for_a_container_that_ends_again_and_again(
    world: World, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.containers[pool.container("web")].restarts = 2
    monkeypatch.setattr(probe, "status", lambda *_: 0)
    with pytest.raises(proof.Died):
        prove(pool)


def test_a_pool_that_answers_may_have_been_restarted_once(world: World, pool: Pool) -> None:
    """As one that served for months, and is only asked whether it is back."""
    world.containers[pool.container("web")].restarts = 1
    proof.wait_for_ports(pool, timeout=20, keep_going=lambda: None)


def test_who_cancels_does_not_wait_for_the_ports(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "status", lambda *_: 0)
    with pytest.raises(InterruptedError):
        proof.wait_for_ports(pool, timeout=60, keep_going=raising(InterruptedError()))


def test_a_pool_that_serves_without_an_installed_module_is_seen(pool: Pool) -> None:
    folder = machines.folder(pool.instance) / "log"
    folder.mkdir(parents=True, exist_ok=True)
    said = "Some modules are not loaded, some dependencies or manifest may be missing: ['library', 'shelf']"
    line = f"2026-11-21 20:56:29,859 11 ERROR b_i1 odoo.modules.loading: {said}\n"
    (folder / f"odoo-g{pool.generation}-serve.log").write_text(line)
    assert failures(pool) == {"modules": "installed, but not loaded, as code is missing: library, shelf"}
