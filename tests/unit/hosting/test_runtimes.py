"""Odoo's images are frozen by their ID: weekly, by hand, and kept while somebody needs them."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from hosting import runtimes
from hosting.engines.docker import EngineError, ImageInfo
from hosting.machine_state import Room
from hosting.models import Host, Runtime
from images.build import ImageError
from portal import clock
from portal.commands import discard
from portal.models import AuditEntry
from portal.stories import PlatformError
from tests import cast
from tests.unit.fakes import World
from tests.unit.fakes.engine import FakeEngine

NEWER = "sha256:newer"


@pytest.fixture
def host(world: World) -> Host:
    return cast.host()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Which image the stand-in is now."""
    made = SimpleNamespace(image_id="sha256:stand-in")
    monkeypatch.setattr("hosting.images.ensure_stand_in", lambda _series, _output: made.image_id)
    monkeypatch.setattr("hosting.runtimes.ensure_stand_in", lambda _series, _output: made.image_id)
    return made


def current(host: Host) -> Runtime:
    return runtimes.current(host, "18.0", discard)


def pulled_anew(world: World) -> None:
    """As somebody does it by hand: the name leads to another image."""
    world.registry["odoo:18.0"] = NEWER
    FakeEngine(world).pull("odoo:18.0", timeout=1)


def test_the_first_build_freezes_what_the_machine_has(world: World, host: Host) -> None:
    frozen = current(host)
    assert (frozen.image_id, frozen.image, frozen.stand_in) == ("sha256:odoo", "odoo:18.0", False)
    assert frozen.tag in world.images["sha256:odoo"].tags
    assert current(host) == frozen
    assert AuditEntry.objects.get(verb="freeze Odoo").by == "Berth"


def test_a_pull_by_hand_changes_nothing_until_the_next_freeze(world: World, host: Host) -> None:
    frozen = current(host)
    pulled_anew(world)
    assert current(host) == frozen
    newer = runtimes.freeze(host, "18.0")
    assert (newer.image_id, current(host)) == (NEWER, newer)
    assert frozen.tag in world.images["sha256:odoo"].tags  # its own name has moved on


def test_it_is_frozen_every_week_and_the_same_image_stays_the_newest(world: World, host: Host) -> None:
    world.registry["odoo:18.0"] = "sha256:odoo"
    runtimes.freeze_due()
    first = Runtime.objects.get()
    with clock.moved(timedelta(days=6)):
        runtimes.freeze_due()
        assert world.seen["pull image"] == 1
    with clock.moved(timedelta(days=8)):
        runtimes.freeze_due()
        assert (world.seen["pull image"], Runtime.objects.get()) == (2, first)
        world.registry["odoo:18.0"] = NEWER
        runtimes.freeze_due()
        assert Runtime.objects.get() == first
    with clock.moved(timedelta(days=16)):
        runtimes.freeze_due()
        assert [each.image_id for each in runtimes.of(host, "18.0")] == [NEWER, "sha256:odoo"]
        assert runtimes.of(host, "18.0")[0].digest == f"odoo@{NEWER}"


def test_a_look_that_a_wrong_clock_made_holds_up_no_week(world: World, host: Host) -> None:
    with clock.moved(timedelta(days=900)):
        runtimes.freeze_due()
    assert runtimes.is_due(host, "18.0")


def test_where_no_registry_answers_what_there_is_is_frozen_and_said(world: World, host: Host) -> None:
    runtimes.freeze_due()
    frozen = Runtime.objects.get()
    assert (frozen.image_id, frozen.wrong) == ("sha256:odoo", "The registry has no image odoo:18.0.")
    assert not runtimes.is_due(host, "18.0")


def test_another_image_in_the_settings_is_frozen_at_once(world: World, host: Host, settings: Settings) -> None:
    frozen = current(host)
    settings.BERTH_ODOO_IMAGES = {"18.0": "ours:18.0"}
    assert current(host) == frozen  # it isn't there yet
    world.images["sha256:ours"] = ImageInfo(id="sha256:ours", tags=("ours:18.0",), labels={}, size=1)
    assert current(host).name == "ours:18.0 (ours)"


def test_a_stand_in_gives_way_to_odoo_and_to_a_newer_stand_in(
    world: World, host: Host, stand_in: SimpleNamespace
) -> None:
    odoo = world.images.pop("sha256:odoo")
    for image_id in ("sha256:stand-in", "sha256:another"):
        world.images[image_id] = ImageInfo(id=image_id, tags=(), labels={}, size=1)
    assert current(host).stand_in
    stand_in.image_id = "sha256:another"
    assert current(host).image_id == "sha256:another"
    world.images[odoo.id] = odoo
    assert current(host).image_id == odoo.id


def test_without_any_image_the_reason_is_said(world: World, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_series: str, _output: object) -> str:
        raise ImageError("no Debian mirror")

    monkeypatch.setattr("hosting.images.ensure_stand_in", fail)
    world.images.clear()
    with pytest.raises(PlatformError, match=r"no image of Odoo 18\.0"):
        current(host)
    runtimes.ask(host=host, series="18.0", urgent=False, by=cast.person("Operator"))
    runtimes.freeze_due()
    assert "There is no image of Odoo 18.0" in Runtime.objects.asked().get().wrong


def test_one_whose_image_somebody_removed_is_taken_for_none(world: World, host: Host) -> None:
    frozen = current(host)
    pulled_anew(world)
    world.images.pop("sha256:odoo")
    with pytest.raises(PlatformError, match="is gone"):
        runtimes.keep(frozen)
    assert current(host).image_id == NEWER


def test_what_was_asked_for_is_frozen_once_and_is_urgent(
    world: World, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "async_task", lambda *_arguments, **_options: None)
    operator = cast.person("Operator")
    current(host)
    pulled_anew(world)
    for _ in range(2):
        runtimes.ask(host=host, series="18.0", urgent=True, by=operator)
    runtimes.freeze_due()
    newest = runtimes.newest(host, "18.0")
    assert newest is not None
    assert (newest.image_id, newest.urgent, newest.asked_by) == (NEWER, True, operator)
    assert not Runtime.objects.asked().exists()


def test_two_at_once_freeze_one(world: World, host: Host) -> None:
    first, second = runtimes.freeze(host, "18.0"), runtimes.freeze(host, "18.0")
    assert first == second


# --- removed ----------------------------------------------------------------------------------------------------------
def test_what_nobody_needs_goes_after_a_while_but_never_the_newest(world: World, host: Host) -> None:
    old = current(host)
    pulled_anew(world)
    newest = runtimes.freeze(host, "18.0")
    assert runtimes.outdated(()) == []
    with clock.moved(runtimes.KEPT + timedelta(days=1)):
        assert runtimes.outdated({old.pk}) == []
        assert runtimes.outdated(()) == [old]
        runtimes.let_go(old)
        assert runtimes.outdated(()) == []
        assert list(runtimes.of(host, "18.0")) == [newest]
    assert old.tag not in world.images["sha256:odoo"].tags


def test_one_that_an_engine_did_not_let_go_is_tried_again(
    world: World, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = current(host)
    with monkeypatch.context() as patched:
        patched.setattr(FakeEngine, "untag", _refused)
        with pytest.raises(EngineError):
            runtimes.let_go(old)
    assert runtimes.newest(host, "18.0") is None
    assert runtimes.outdated(()) == [old]
    runtimes.let_go(old)
    assert runtimes.outdated(()) == []


def _refused(_engine: FakeEngine, _name: str) -> None:
    raise EngineError("a container uses it")


# --- by hand ----------------------------------------------------------------------------------------------------------
def said(*arguments: str) -> str:
    out = StringIO()
    call_command("runtime", *arguments, stdout=out)
    return out.getvalue()


def test_the_operator_freezes_and_lists_at_the_command_line(world: World, host: Host) -> None:
    world.registry["odoo:18.0"] = NEWER
    assert "odoo:18.0 (newer)" in said("freeze", "18.0", "--urgent")
    assert said("list").endswith("odoo:18.0 (newer)  urgent\n")
    with pytest.raises(CommandError, match=r"Odoo 17\.0 is not offered here"):
        said("freeze", "17.0")
    assert "No registry gave a newer one" not in said("list")


def test_a_stand_in_never_follows_odoo(world: World, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = current(host)
    odoo = world.images["sha256:odoo"]
    monkeypatch.setattr("hosting.images.ensure_stand_in", None)  # which takes a minute to make
    world.images[odoo.id] = replace(odoo, tags=(frozen.tag,))  # somebody removed its own name
    runtimes.freeze_due()
    assert (runtimes.newest(host, "18.0"), current(host)) == (frozen, frozen)
    frozen.refresh_from_db()
    assert "no image odoo:18.0" in frozen.wrong

    del world.images[odoo.id]
    with pytest.raises(PlatformError, match="is gone"):
        current(host)
    assert runtimes.newest(host, "18.0") == frozen


def test_an_image_of_another_series_is_refused(world: World, host: Host) -> None:
    world.images["sha256:odoo"] = replace(world.images["sha256:odoo"], env={"ODOO_VERSION": "19.0"})
    with pytest.raises(PlatformError, match=r"odoo:18\.0 is Odoo 19\.0"):
        current(host)
    assert not Runtime.objects.exists()


def test_an_image_of_another_series_follows_none_and_is_said_once_a_week(world: World, host: Host) -> None:
    frozen = current(host)
    world.registry["odoo:18.0"] = NEWER
    world.images[NEWER] = ImageInfo(id=NEWER, tags=(), labels={}, size=1, env={"ODOO_VERSION": "19.0"})
    runtimes.freeze_due()
    frozen.refresh_from_db()
    assert (runtimes.newest(host, "18.0"), runtimes.is_due(host, "18.0")) == (frozen, False)
    assert "is Odoo 19.0" in frozen.wrong


def test_who_asks_for_an_urgent_one_meanwhile_gets_it(
    world: World, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    oscar, pull = cast.person("Oscar"), FakeEngine.pull

    def slowly(self: FakeEngine, *arguments: Any, **options: Any) -> ImageInfo:
        runtimes.ask(host=host, series="18.0", urgent=True, by=oscar)
        return pull(self, *arguments, **options)

    world.registry["odoo:18.0"] = NEWER
    runtimes.ask(host=host, series="18.0", urgent=False, by=oscar)
    monkeypatch.setattr(FakeEngine, "pull", slowly)
    runtimes.freeze_due()
    frozen = runtimes.newest(host, "18.0")
    assert frozen is not None
    assert (frozen.image_id, frozen.urgent, Runtime.objects.asked().count()) == (NEWER, True, 0)


def test_no_registry_is_asked_where_the_disk_is_nearly_full(
    world: World, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hosting.preflight.fullest", lambda _host: Room(size=1000, free=1))
    runtimes.freeze_due()
    assert world.seen["pull image"] == 0
    assert "nearly full" in Runtime.objects.get().wrong


def test_a_worker_that_ends_waits_for_no_registry(world: World, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "handing_over", lambda: True)
    world.registry["odoo:18.0"] = NEWER
    runtimes.ask(host=host, series="18.0", urgent=False, by=cast.person("Oscar"))
    runtimes.freeze_due()
    assert "restarted" in Runtime.objects.asked().get().wrong
    assert runtimes.is_due(host, "18.0")
