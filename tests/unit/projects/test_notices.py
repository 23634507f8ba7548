"""Notifications: who is told of what, in the portal and by mail, and what each person chose."""

import html
from types import SimpleNamespace

import pytest
from django.core import mail
from django.test import Client
from pytest_django import Settings

from portal.models import AuditEntry
from projects import notices
from projects.access import Tool
from projects.models import Member, Notice, Project, Stage
from projects.news import Event, News
from projects.notices import Wish
from tests import cast

PAGE = "/account/notifications/"


@pytest.fixture
def project(people: SimpleNamespace) -> Project:
    for person in (people.alice, people.tom, people.dev):
        person.email = f"{person.username}@example.com"
        person.save()
    return cast.project("demo", people)


@pytest.fixture
def smtp(settings: Settings) -> None:
    settings.EMAIL_HOST = "smtp.example"


def news(event: Event = Event.DEPLOY_FAILED, stage: Stage = Stage.DEVELOPMENT, tool: Tool = Tool.LOGS) -> News:
    return News(event, f"#1 <main>: {event}", "/demo/builds/1/", tool, stage, {})


def told(**which: object) -> set[str]:
    return set(Notice.objects.filter(**which).values_list("user__username", flat=True))


def page(person: object) -> str:
    client = Client()
    client.force_login(person)  # type: ignore[arg-type]
    return html.unescape(client.get(PAGE).content.decode())


@pytest.mark.parametrize(
    ("stage", "tool", "who"),
    [
        (Stage.DEVELOPMENT, Tool.LOGS, {"alice", "tom", "dev"}),
        (Stage.STAGING, Tool.LOGS, {"alice", "tom"}),
        (Stage.PRODUCTION, Tool.LOGS, {"alice"}),
        (Stage.PRODUCTION, Tool.BACKUPS, {"alice"}),
    ],
)
def test_members_are_told_of_what_they_may_see(project: Project, stage: Stage, tool: Tool, who: set[str]) -> None:
    notices.tell(project, news(stage=stage, tool=tool))
    assert told() == who


def test_each_is_told_what_he_chose_and_else_by_default(people: SimpleNamespace, project: Project) -> None:
    notices.choose(user=people.tom, wanted=[Wish(event, False, False) for event in Event])
    notices.choose(user=people.dev, wanted=[Wish(event, False, True) for event in Event])
    notices.tell(project, news())
    assert (told(in_portal=True), told(by_mail=True)) == ({"alice"}, {"alice", "dev"})
    Notice.objects.all().delete()
    notices.tell(project, news(Event.BUILD_DONE))
    assert (told(in_portal=True), told(by_mail=True)) == (set(), {"dev"})


def test_the_bell_counts_what_is_new_and_following_it_reads_it(people: SimpleNamespace, project: Project) -> None:
    client = Client()
    client.force_login(people.alice)
    assert "Nothing happened yet" in client.get(PAGE).content.decode()
    for _each in range(2):
        notices.tell(project, news())
    shown = client.get(PAGE).content.decode()
    assert 'aria-label="Notifications: 2 new"' in shown
    assert "#1 &lt;main&gt;: deploy.failed" in shown
    first = Notice.objects.filter(user=people.alice).earliest("pk")
    assert client.get(f"{PAGE}{first.pk}/")["Location"] == "/demo/builds/1/"
    assert notices.unread(people.alice) == 1
    client.post(f"{PAGE}read/")
    assert notices.unread(people.alice) == 0
    assert notices.unread(people.tom) == 2


def test_nobody_opens_anothers(people: SimpleNamespace, project: Project) -> None:
    notices.tell(project, news())
    client = Client()
    client.force_login(people.oscar)
    assert client.get(f"{PAGE}{Notice.objects.get(user=people.alice).pk}/").status_code == 404
    client.post(f"{PAGE}read/")
    assert notices.unread(people.alice) == 1


def test_who_is_no_member_any_more_sees_and_gets_nothing_of_before(
    people: SimpleNamespace, project: Project, smtp: None
) -> None:
    notices.tell(project, news())
    Member.objects.filter(user=people.alice).delete()
    assert "deploy.failed" not in page(people.alice).split("What to be told of")[0]
    notices.mail_due()
    assert {address for message in mail.outbox for address in message.to} == {"tom@example.com", "dev@example.com"}


def test_choices_are_saved_and_audited(people: SimpleNamespace, project: Project) -> None:
    client = Client()
    client.force_login(people.alice)
    client.post(PAGE, {"build.done:portal": "on", "backup.failed:mail": "on", "nonsense:mail": "on"})
    wanted = {wish.event: (wish.in_portal, wish.by_mail) for wish in notices.wishes(people.alice)}
    assert wanted.pop(Event.BUILD_DONE) == (True, False)
    assert wanted.pop(Event.BACKUP_FAILED) == (False, True)
    assert set(wanted.values()) == {(False, False)}
    entry = AuditEntry.objects.get(verb="choose notifications")
    assert (entry.by, entry.after) == ("alice", {"portal": ["build.done"], "mail": ["backup.failed"]})


def test_mails_go_out_once_with_the_page_and_how_to_change_it(project: Project, smtp: None) -> None:
    notices.tell(project, news())
    notices.mail_due()
    notices.mail_due()
    assert len(mail.outbox) == 3
    message = mail.outbox[0]
    assert message.subject == "Demo: #1 <main>: deploy.failed"
    assert "/demo/builds/1/" in message.body
    assert "/account/notifications/" in message.body


def test_a_mail_that_is_refused_is_tried_again(project: Project, smtp: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise ConnectionRefusedError

    notices.tell(project, news(stage=Stage.PRODUCTION))
    with monkeypatch.context() as patch:
        patch.setattr(notices, "send_mail", refuse)
        notices.mail_due()
    assert Notice.objects.get().mailed_at is None
    notices.mail_due()
    assert [message.to for message in mail.outbox] == [["alice@example.com"]]


def test_without_a_mail_server_nothing_waits_for_one(project: Project, settings: Settings) -> None:
    settings.EMAIL_HOST = ""
    notices.tell(project, news())
    notices.mail_due()
    assert mail.outbox == []


def test_who_has_no_address_is_told_in_the_portal_alone(people: SimpleNamespace, project: Project) -> None:
    people.alice.email = ""
    people.alice.save()
    notices.tell(project, news(stage=Stage.PRODUCTION))
    notice = Notice.objects.get()
    assert (notice.in_portal, notice.by_mail) == (True, False)
    assert "you have no mail address here" in page(people.alice)
