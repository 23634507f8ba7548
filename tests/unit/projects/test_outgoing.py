"""Outgoing webhooks: who is told what, how it is signed, tried again, given up, and sent once more by a click."""

import hashlib
import hmac
import html
import json
import socket
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from portal import clock, posting
from portal.models import AuditEntry
from portal.posting import Answer, NotSent, Target
from portal.stories import ProjectError
from projects import outgoing
from projects.access import Tool
from projects.models import Hook, HookDelivery, Project, Stage
from projects.news import Event, News
from tests import cast

PAGE = "/demo/settings/webhooks/"
URL = "https://hooks.example/berth"
State = HookDelivery.State


class Receiver:
    """Takes the place of what is behind the network. Answers as told, in turn; the last answer stays."""

    def __init__(self) -> None:
        self.answers: list[Answer | Exception] = [Answer(204)]
        self.got: list[tuple[Target, bytes, dict[str, str]]] = []
        self.ips: list[list[str]] = [["140.82.121.4"]]
        self.meanwhile: Callable[[], None] = lambda: None

    def post(self, target: Target, body: bytes, headers: dict[str, str], **_options: object) -> Answer:
        self.got.append((target, body, headers))
        self.meanwhile()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def look_up(self, host: str, port: int, **_options: object) -> list[tuple[Any, ...]]:
        ips = self.ips.pop(0) if len(self.ips) > 1 else self.ips[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Receiver:
    receiver = Receiver()
    settings.BERTH_WEBHOOKS_ALLOW_PRIVATE = False
    monkeypatch.setattr(posting, "post", receiver.post)
    monkeypatch.setattr(socket, "getaddrinfo", receiver.look_up)
    monkeypatch.setattr(outgoing, "async_task", lambda *_told, **_options: None)
    return receiver


@pytest.fixture
def project(people: SimpleNamespace, receiver: Receiver) -> Project:
    return cast.project("demo", people)


@pytest.fixture
def hook(project: Project) -> Hook:
    return Hook.objects.create(project=project, url=URL, events=[Event.DEPLOY_DONE], secret="s3cret")


@pytest.fixture
def alice(client: Client, people: SimpleNamespace, project: Project) -> Client:
    client.force_login(people.alice)
    return client


def news(event: Event = Event.DEPLOY_DONE) -> News:
    return News(event, "Deployed", "/demo/builds/1/", Tool.LOGS, Stage.PRODUCTION, {"build": {"number": 1}})


def add(alice: Client, url: str = URL, events: tuple[str, ...] = ("deploy.done",)) -> str:
    return html.unescape(alice.post(PAGE, {"url": url, "events": events}, follow=True).content.decode())


def later(seconds: float) -> None:
    with clock.moved(timedelta(seconds=seconds)):
        outgoing.send_due()


# --- what is sent -----------------------------------------------------------------------------------------------------
def test_only_webhooks_that_want_it_are_told(project: Project, hook: Hook, people: SimpleNamespace) -> None:
    Hook.objects.create(project=project, url=URL, events=[Event.DEPLOY_FAILED])
    Hook.objects.create(project=project, url=URL, events=[Event.DEPLOY_DONE], active=False)
    Hook.objects.create(project=cast.project("other", people), url=URL, events=[Event.DEPLOY_DONE])
    outgoing.tell(project, news())
    assert [delivery.hook for delivery in HookDelivery.objects.all()] == [hook]


def test_it_is_signed_with_time_and_body_and_its_id_tells_doubles(
    project: Project, hook: Hook, receiver: Receiver
) -> None:
    outgoing.tell(project, news())
    outgoing.send_due()
    ((target, body, headers),) = receiver.got
    assert target.host == "hooks.example"
    told = json.loads(body)
    assert (told["event"], told["project"]["slug"], told["build"]) == ("deploy.done", "demo", {"number": 1})
    assert told["url"].endswith("/demo/builds/1/")
    at, _comma, signature = headers["X-Berth-Signature"].partition(",v1=")
    signed = at.removeprefix("t=").encode() + b"." + body
    assert signature == hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
    delivery = HookDelivery.objects.get()
    assert headers["X-Berth-Delivery"] == str(delivery.guid)
    assert (delivery.state, delivery.code, delivery.tries) == (State.DELIVERED, 204, 1)


# --- again and again --------------------------------------------------------------------------------------------------
def test_what_nobody_takes_is_tried_again_later_and_later_and_then_given_up(
    project: Project, hook: Hook, receiver: Receiver
) -> None:
    receiver.answers = [NotSent("hooks.example: refused.")]
    outgoing.tell(project, news())
    outgoing.send_due()
    outgoing.send_due()
    assert len(receiver.got) == 1
    after = 0.0
    for number, pause in enumerate(outgoing.PAUSES, start=2):
        later(after + pause.total_seconds() - 1)
        assert len(receiver.got) == number - 1
        after += pause.total_seconds() + 1
        later(after)
        assert len(receiver.got) == number
    delivery = HookDelivery.objects.get()
    assert (delivery.state, delivery.error) == (State.FAILED, "hooks.example: refused.")
    later(10 * after)
    assert len(receiver.got) == len(outgoing.PAUSES) + 1
    assert len({headers["X-Berth-Delivery"] for _target, _body, headers in receiver.got}) == 1


@pytest.mark.parametrize("code", [199, 301, 400, 404, 410, 429, 500, 503])
def test_another_answer_than_2xx_is_no_delivery(project: Project, hook: Hook, receiver: Receiver, code: int) -> None:
    receiver.answers = [Answer(code, {"Location": "http://127.0.0.1/"}, "no"), Answer(200)]
    outgoing.tell(project, news())
    outgoing.send_due()
    delivery = HookDelivery.objects.get()
    assert (delivery.state, delivery.code, delivery.answer) == (State.WAITING, code, "no")
    assert str(code) in delivery.error
    later(60)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.code, delivery.error) == (State.DELIVERED, 200, "")


def test_a_sender_that_dies_loses_nothing(project: Project, hook: Hook, receiver: Receiver) -> None:
    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    receiver.meanwhile = die
    outgoing.tell(project, news())
    with pytest.raises(Killed):
        outgoing.send_due()
    receiver.meanwhile = lambda: None
    outgoing.send_due()
    assert len(receiver.got) == 1  # it may still be at work
    later(outgoing.LEASE.total_seconds() + 1)
    assert len(receiver.got) == 2
    assert HookDelivery.objects.get().state == State.DELIVERED


def test_one_that_is_removed_while_it_is_sent_to_does_no_harm(project: Project, hook: Hook, receiver: Receiver) -> None:
    receiver.meanwhile = lambda: outgoing.remove(hook=hook, by=cast.person("Root"))
    outgoing.tell(project, news())
    outgoing.send_due()
    assert not HookDelivery.objects.exists()


def test_a_paused_webhook_gets_nothing_until_it_is_active_again(
    project: Project, hook: Hook, receiver: Receiver
) -> None:
    outgoing.tell(project, news())
    Hook.objects.update(active=False)
    outgoing.send_due()
    assert receiver.got == []
    Hook.objects.update(active=True)
    outgoing.send_due()
    assert len(receiver.got) == 1


# --- inside -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.5", "192.168.0.1", "169.254.169.254", "::1", "fd00::1"])
def test_an_address_inside_is_refused_on_the_page(alice: Client, receiver: Receiver, ip: str) -> None:
    receiver.ips = [[ip]]
    assert "is an address inside a private network" in add(alice, f"http://{f'[{ip}]' if ':' in ip else ip}:8000/")
    assert "is an address inside a private network" in add(alice, "https://rebinds.example/")
    assert not Hook.objects.exists()


def test_a_name_that_leads_inside_only_when_it_is_sent_to_gets_nothing(
    alice: Client, project: Project, receiver: Receiver
) -> None:
    """DNS rebinding: public when it is entered, private afterwards."""
    receiver.ips = [["140.82.121.4"], ["127.0.0.1"]]
    add(alice)
    outgoing.tell(project, news())
    outgoing.send_due()
    assert receiver.got == []
    assert "inside a private network" in HookDelivery.objects.get().error


def test_each_sending_uses_the_address_that_was_checked_for_it(
    project: Project, hook: Hook, receiver: Receiver
) -> None:
    receiver.ips = [["140.82.121.4"], ["127.0.0.1"]]  # the second answer would be that of a second look
    outgoing.tell(project, news())
    outgoing.send_due()
    assert [target.ip for target, _body, _headers in receiver.got] == ["140.82.121.4"]


def test_an_installation_may_allow_what_lies_inside(
    alice: Client, project: Project, receiver: Receiver, settings: Settings
) -> None:
    settings.BERTH_WEBHOOKS_ALLOW_PRIVATE = True
    receiver.ips = [["10.0.0.5"]]
    add(alice)
    outgoing.tell(project, news())
    outgoing.send_due()
    assert HookDelivery.objects.get().state == State.DELIVERED


# --- pages ------------------------------------------------------------------------------------------------------------
def test_a_webhook_is_added_changed_and_removed_and_the_log_says_so(alice: Client, project: Project) -> None:
    assert "Added." in add(alice)
    hook = Hook.objects.get()
    alice.post(f"{PAGE}{hook.pk}/", {"url": URL, "events": ["backup.failed"]})
    hook.refresh_from_db()
    assert (hook.events, hook.active) == (["backup.failed"], False)
    alice.post(f"{PAGE}{hook.pk}/remove/")
    assert not Hook.objects.exists()
    entries = list(AuditEntry.objects.order_by("pk"))
    assert [entry.verb for entry in entries] == ["add webhook", "change webhook", "remove webhook"]
    assert not any(hook.secret in f"{entry.before}{entry.after}" for entry in entries)


def test_the_secret_is_encrypted_in_the_row_and_can_be_made_anew(alice: Client, hook: Hook) -> None:
    assert "s3cret" in alice.get(f"{PAGE}{hook.pk}/").content.decode()
    alice.post(f"{PAGE}{hook.pk}/secret/")
    hook.refresh_from_db()
    assert hook.secret != "s3cret"
    assert len(hook.secret) >= 32


def test_it_must_be_told_of_something_that_there_is(alice: Client) -> None:
    assert "Choose what it is to be told of" in add(alice, events=())
    assert "not one of the available choices" in add(alice, events=("everything",))
    assert not Hook.objects.exists()


def test_a_click_tries_it_and_another_sends_it_again(alice: Client, hook: Hook, receiver: Receiver) -> None:
    alice.post(f"{PAGE}{hook.pk}/try/")
    outgoing.send_due()
    first = HookDelivery.objects.get()
    alice.post(f"{PAGE}{hook.pk}/{first.pk}/again/")
    outgoing.send_due()
    again = HookDelivery.objects.latest("pk")
    assert (again.event, again.body, again.asked_by) == (first.event, first.body, first.asked_by)
    assert again.guid != first.guid
    assert [json.loads(body)["event"] for _target, body, _headers in receiver.got] == ["ping", "ping"]


def test_the_log_shows_request_and_answer_and_nothing_of_them_is_html(
    alice: Client, hook: Hook, receiver: Receiver
) -> None:
    receiver.answers = [Answer(500, {"X-Evil": "<script>"}, "<b>no</b>")]
    alice.post(f"{PAGE}{hook.pk}/try/")
    outgoing.send_due()
    page = alice.get(f"{PAGE}{hook.pk}/").content.decode()
    for shown in ("X-Berth-Signature: t=", "Answer 500", "X-Evil: &lt;script&gt;", "&lt;b&gt;no&lt;/b&gt;", "1 try"):
        assert shown in page
    assert "<script>" not in page.replace("<script ", "")


def test_old_deliveries_go_by_their_date(hook: Hook, project: Project) -> None:
    outgoing.tell(project, news())
    with clock.moved(outgoing.KEPT + timedelta(hours=1)):
        outgoing.tell(project, news())
        outgoing.forget()
    assert HookDelivery.objects.count() == 1


def test_one_that_was_removed_meanwhile_does_not_come_back(hook: Hook) -> None:
    Hook.objects.all().delete()
    with pytest.raises(ProjectError, match="removed meanwhile"):
        outgoing.save(hook=hook, url=hook.url, events=hook.events, active=False, by=cast.person("Root"))
    with pytest.raises(ProjectError, match="removed meanwhile"):
        outgoing.new_secret(hook=hook, by=cast.person("Admin"))
    assert not Hook.objects.exists()


def test_a_change_keeps_the_secret_that_was_made_anew_meanwhile(hook: Hook) -> None:
    outgoing.new_secret(hook=Hook.objects.get(pk=hook.pk), by=cast.person("Root"))
    secret = Hook.objects.get(pk=hook.pk).secret
    outgoing.save(hook=hook, url=hook.url, events=hook.events, active=False, by=cast.person("Admin"))
    assert (Hook.objects.get(pk=hook.pk).secret, hook.secret) == (secret, secret)


def test_one_at_which_every_sender_dies_is_not_tried_for_ever(project: Project, hook: Hook, receiver: Receiver) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    receiver.meanwhile = die
    outgoing.tell(project, news())
    tries = len(outgoing.PAUSES) + 1
    for number in range(tries):
        with clock.moved(number * (outgoing.LEASE + timedelta(seconds=1))), pytest.raises(KeyboardInterrupt):
            outgoing.send_due()
    later(tries * (outgoing.LEASE.total_seconds() + 1))
    assert (len(receiver.got), HookDelivery.objects.get().state) == (tries, State.FAILED)
