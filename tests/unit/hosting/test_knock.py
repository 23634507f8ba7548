"""The address by which the router wakes an instance."""

import pytest
from django.test import Client
from pytest_django import Settings

from hosting import machines
from hosting.models import Instance, Stage
from portal.models import Story
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> Instance:
    made = cast.instance(Stage.DEVELOPMENT, "fix.localhost")
    made.door = Instance.Door.ASLEEP
    made.save()
    return made


def knock(instance: Instance, secret: str | None = None) -> int:
    headers = {"X-Berth-Router": machines.router_secret() if secret is None else secret}
    client = Client(enforce_csrf_checks=True)
    return client.post(f"/inside/wake/{instance.name}/", "x", content_type="text/plain", headers=headers).status_code


def test_it_wakes_once(instance: Instance) -> None:
    assert [knock(instance) for _ in range(3)] == [202, 202, 202]
    assert Story.objects.filter(kind="wake", object_id=instance.pk, queue="urgent").count() == 1


@pytest.mark.parametrize("secret", ["", "wrong"])
def test_it_is_not_there_for_who_does_not_know_the_secret(instance: Instance, secret: str) -> None:
    assert knock(instance, secret) == 404
    assert not Story.objects.exists()


def test_what_is_awake_is_let_be(instance: Instance) -> None:
    Instance.objects.update(door=Instance.Door.OPEN)
    assert knock(instance) == 204
    assert not Story.objects.exists()


def test_it_says_when_there_are_too_many(instance: Instance, settings: Settings) -> None:
    settings.BERTH_WAKES_PER_MINUTE = 0
    assert knock(instance) == 429


def test_an_unknown_instance_is_not_found(instance: Instance) -> None:
    instance.pk += 1
    assert knock(instance) == 404
