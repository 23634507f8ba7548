"""Whose a mail is, how many are kept, and when they go."""

import pytest

from hosting import instances, mails, pools, reconcile
from hosting.mails import NotTaken, Sender
from hosting.models import Instance, Mail, Pool, Replica, Stage
from hosting.odoo.conf import Purpose
from tests import cast
from tests.unit.fakes import World
from tests.unit.hosting import rows

WEB, CRON, FURTHER = "10.1.128.10", "10.1.128.11", "10.1.128.12"


@pytest.fixture
def pool(db: None) -> Pool:
    instance = cast.instance(Stage.STAGING, "staging.localhost")
    assert instance.live_pool is not None
    instance.live_pool.web_address, instance.live_pool.cron_address = WEB, CRON
    instance.live_pool.save()
    Replica.objects.create(pool=instance.live_pool, number=2, address=FURTHER)
    return instance.live_pool


def keep(pool: Pool, raw: bytes = b"x", address: str = WEB) -> Mail:
    sender = Sender(pool.pk, pool.instance_id)
    return mails.keep(address=address, expected=sender, by="a@b.c", recipients="d@e.f", subject="Hi", raw=raw)


@pytest.mark.parametrize("address", [WEB, CRON, FURTHER])
def test_each_container_of_a_pool_is_known(pool: Pool, address: str) -> None:
    assert mails.sender(address) == Sender(pool.pk, pool.instance_id)
    assert keep(pool, address=address).instance_id == pool.instance_id


def test_others_are_not(pool: Pool) -> None:
    assert mails.sender("10.1.128.99") is None
    Pool.objects.update(state=Pool.State.GONE)
    assert mails.sender(WEB) is None


def test_production_is_not(pool: Pool) -> None:
    Instance.objects.update(stage=Stage.PRODUCTION)
    assert mails.sender(WEB) is None


def test_an_address_that_changed_hands_puts_nothing_into_the_neighbours_tab(pool: Pool) -> None:
    Pool.objects.filter(pk=pool.pk).update(state=Pool.State.GONE)
    neighbour = cast.instance(Stage.STAGING, "neighbour.localhost")
    neighbour.pools.update(web_address=WEB)
    with pytest.raises(NotTaken, match="^550 "):
        keep(pool)
    assert not Mail.objects.exists()


def test_the_oldest_go_when_there_are_too_many(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mails, "KEPT", 3)
    other = cast.mail(cast.instance(Stage.STAGING, "neighbour.localhost"))
    kept = [keep(pool).pk for _ in range(5)]
    assert list(Mail.objects.order_by("pk").values_list("pk", flat=True)) == [other.pk, *kept[2:]]


def test_the_oldest_go_when_they_are_too_big(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mails, "KEPT_BYTES", 100)
    kept = [keep(pool, b"x" * size).pk for size in (10, 60, 40)]
    assert list(Mail.objects.order_by("pk").values_list("pk", flat=True)) == kept[1:]


def test_none_is_taken_where_the_disk_is_full(pool: Pool, world: World) -> None:
    world.disk_free = mails.FREE_BYTES - 1
    with pytest.raises(NotTaken, match="^452 "):
        keep(pool)


def test_they_go_with_their_instance(world: World) -> None:
    instance, other = (rows.instance(Stage.STAGING, f"{name}.localhost") for name in ("one", "other"))
    gone, stays = cast.mail(instance), cast.mail(other)
    instances.remove(instance)
    assert list(Mail.objects.all()) == [stays]
    assert gone.pk != stays.pk


def test_one_that_came_while_its_instance_was_removed_goes_at_the_next_round(world: World) -> None:
    instance = rows.instance(Stage.STAGING, "one.localhost")
    instances.remove(instance)
    cast.mail(instance)
    assert "deleted 1 mails, which belong to nothing" in reconcile.reconcile()
    assert not Mail.objects.exists()


def test_copies_send_to_the_catcher_and_production_wherever_it_likes(world: World) -> None:
    staging, production = rows.instance(Stage.STAGING, "staging.localhost"), rows.instance()
    conf = {each: pools.write_conf(rows.pool(each, world), Purpose.SERVE) for each in (staging, production)}
    assert f"smtp_server = {staging.host.gateway(production=False)}\nsmtp_port = 1025" in conf[staging].read_text()
    assert "smtp" not in conf[production].read_text()
