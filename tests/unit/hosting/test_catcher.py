"""What the catcher answers to those who send, behind a unix socket: to good ones, and to bad ones."""

import asyncio
import smtplib
import socket
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.db import OperationalError, connection

from hosting import catcher, mails
from hosting.catcher import Catcher, Rooms
from hosting.models import Instance, Mail, Pool, Stage
from tests import cast
from tests.unit.fakes.world import World

ADDRESS, NEIGHBOUR = "10.1.128.10", "10.1.128.11"
TEXT = b"From: Shop <shop@example.com>\r\nTo: bob@example.com\r\nSubject: Hi\r\n\r\nHello.\r\n"

T = TypeVar("T")

pytestmark = pytest.mark.django_db(transaction=True)


class Served:
    """The catcher in a thread. All that connect have the address `peer`."""

    def __init__(self, path: Path) -> None:
        self.path, self.peer = str(path), ADDRESS
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self) -> "Served":
        self._thread.start()
        self._server = self._do(self._serve())
        return self

    def __exit__(self, *_error: object) -> None:
        self._do(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    async def _serve(self) -> asyncio.Server:
        self.rooms = Rooms()
        return await self.loop.create_unix_server(lambda: Catcher(self.rooms, self.loop), self.path)

    async def _end(self) -> None:
        self._server.close()
        while self.rooms.connections:
            await asyncio.sleep(0.01)
        await self.rooms.ask(lambda: connection.close())

    def connect(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(10)
        made.connect(self.path)
        return made

    def client(self) -> "Client":
        return Client(self)


class Client(smtplib.SMTP):
    def __init__(self, served: Served) -> None:
        self._served = served
        super().__init__("catcher", local_hostname="tenant")

    def _get_socket(self, *_address: object) -> socket.socket:
        return self._served.connect()


@pytest.fixture
def pool() -> Pool:
    instance = cast.instance(Stage.DEVELOPMENT, "dev.localhost")
    assert instance.live_pool is not None
    Pool.objects.filter(pk=instance.live_pool.pk).update(web_address=ADDRESS)
    return instance.live_pool


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with Served(tmp_path / "smtp") as made:
        monkeypatch.setattr(catcher, "peer", lambda _transport: made.peer)
        yield made


def everything(connected: socket.socket) -> bytes:
    """What is said until the other side hangs up."""
    said = b""
    with connected, suppress(ConnectionError):
        while block := connected.recv(65536):
            said += block
    return said


def begin(connected: socket.socket, *lines: bytes) -> None:
    """Say each line when the one before was answered; the greeting comes first."""
    connected.recv(1000)
    for line in lines:
        connected.sendall(line + b"\r\n")
        connected.recv(1000)


def begin_data(connected: socket.socket) -> None:
    begin(connected, b"HELO x", b"MAIL FROM:<a@b.c>", b"RCPT TO:<d@e.f>", b"DATA")


def test_a_mail_is_kept_whole_with_those_of_a_blind_copy(served: Served, pool: Pool) -> None:
    raw = TEXT + b".a line with a dot\r\nNUL \0 and \xff\xfe\r\n"
    with served.client() as client:
        assert client.sendmail("bounce@example.com", ["bob@example.com", "blind@example.com"], raw) == {}
    mail = Mail.objects.get()
    assert bytes(mail.raw) == raw
    assert (mail.instance_id, mail.size) == (pool.instance_id, len(raw))
    assert (mail.sender, mail.subject) == ("Shop <shop@example.com>", "Hi")
    assert mail.recipients == "bob@example.com, blind@example.com"


def test_many_come_by_one_connection(served: Served, pool: Pool) -> None:
    with served.client() as client:
        for number in range(30):
            client.sendmail("a@b.c", ["d@e.f"], b"Subject: %d\r\n\r\n" % number)
    assert list(Mail.objects.order_by("pk").values_list("subject", flat=True)) == [str(n) for n in range(30)]


def test_after_a_big_one_the_next_is_kept(served: Served, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catcher, "BIG", 1000)
    with served.client() as client:
        for lines in (200, 1, 200):
            client.sendmail("a@b.c", ["d@e.f"], TEXT + b"x\r\n" * lines)
    assert list(Mail.objects.order_by("pk").values_list("size", flat=True)) == [
        len(TEXT) + 3 * n for n in (200, 1, 200)
    ]


def test_it_says_that_it_takes_no_password(served: Served, pool: Pool) -> None:
    with served.client() as client:
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.has_extn("size")


@pytest.mark.parametrize("state", [{"web_address": NEIGHBOUR}, {"state": Pool.State.GONE}])
def test_who_is_none_of_ours_is_refused(served: Served, pool: Pool, state: dict[str, str]) -> None:
    Pool.objects.update(**state)
    assert everything(served.connect()).startswith(b"550 5.7.1 ")


def test_production_is_refused(served: Served, pool: Pool) -> None:
    Instance.objects.update(stage=Stage.PRODUCTION)
    assert everything(served.connect()).startswith(b"550 5.7.1 ")


def test_an_address_that_changed_hands_meanwhile_puts_nothing_into_the_neighbours_tab(
    served: Served, pool: Pool
) -> None:
    neighbour = cast.instance(Stage.DEVELOPMENT, "neighbour.localhost")
    with served.client() as client:
        client.ehlo()
        Pool.objects.filter(pk=pool.pk).update(state=Pool.State.GONE)
        neighbour.pools.update(web_address=ADDRESS)
        with pytest.raises(smtplib.SMTPDataError, match="changed hands"):
            client.sendmail("a@b.c", ["d@e.f"], TEXT)
    assert not Mail.objects.exists()


def test_who_talks_before_it_listened_is_not_heard(served: Served, pool: Pool) -> None:
    """It may be dead by now, and its address another's."""
    connected = served.connect()
    connected.sendall(b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\nforged\r\n.\r\nQUIT\r\n")
    assert everything(connected).startswith(b"554 5.5.1 ")
    assert not Mail.objects.exists()


def test_one_that_says_that_it_is_too_big_is_refused_at_once(
    served: Served, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mails, "MESSAGE_BYTES", 1000)
    with served.client() as client, pytest.raises(smtplib.SMTPSenderRefused, match="552"):
        client.sendmail("a@b.c", ["d@e.f"], b"x" * 1001)


@pytest.mark.parametrize(
    "content",
    [b"x" * 900 + b"\r\n", b"x" * 1_000_000, b"\r\n"],
    ids=["many bytes", "a line without an end", "many lines"],
)
def test_one_that_does_not_say_so_is_refused_too(
    served: Served, pool: Pool, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(mails, "MESSAGE_BYTES", 100_000)
    monkeypatch.setattr(catcher, "LINES", 1000)
    connected = served.connect()
    begin_data(connected)
    with suppress(ConnectionError):
        for _ in range(1000):
            connected.sendall(content)
        connected.sendall(b"\r\n.\r\nQUIT\r\n")
    assert everything(connected)[:4] in {b"552 ", b""}  # "": it was cut off while it went on sending
    assert not Mail.objects.exists()
    with served.client() as client:
        client.sendmail("a@b.c", ["d@e.f"], TEXT)
    assert Mail.objects.count() == 1


def test_a_mail_has_only_so_many_recipients(served: Served, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catcher, "RECIPIENTS", 2)
    with served.client() as client:
        refused = client.sendmail("a@b.c", ["a@x.y", "b@x.y", "c@x.y"], TEXT)
    assert refused["c@x.y"][0] == 452
    assert Mail.objects.get().recipients == "a@x.y, b@x.y"


@pytest.mark.parametrize("said", [(), (b"HELO x",), (b"HELO x", b"MAIL FROM:<a@b.c>", b"RCPT TO:<d@e.f>")])
def test_who_says_nothing_more_is_hung_up_on(
    served: Served, pool: Pool, monkeypatch: pytest.MonkeyPatch, said: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(catcher, "IDLE_S", 0.3)
    connected = served.connect()
    begin(connected, *said)
    assert everything(connected) == b""
    assert not Mail.objects.exists()


def test_who_sends_ever_so_slowly_is_hung_up_on(served: Served, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catcher, "CONTENT_S", 0.3)
    connected = served.connect()
    begin_data(connected)
    with suppress(ConnectionError):
        for _ in range(500):
            connected.sendall(b"x\r\n")
            time.sleep(0.01)
        connected.sendall(b".\r\n")
    connected.close()
    assert not served.rooms.connections
    assert not Mail.objects.exists()


def test_one_address_has_only_so_many_connections(served: Served, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catcher, "CONNECTIONS", 2)
    held = [served.connect() for _ in range(2)]
    for each in held:
        assert each.recv(1000).startswith(b"220 ")
    assert everything(served.connect()).startswith(b"421 ")
    cast.instance(Stage.DEVELOPMENT, "neighbour.localhost").pools.update(web_address=NEIGHBOUR)
    served.peer = NEIGHBOUR
    with served.client() as client:
        client.sendmail("a@b.c", ["d@e.f"], TEXT)
    for each in held:
        each.close()
    assert Mail.objects.count() == 1


def test_one_that_dawdles_keeps_no_neighbour_from_sending(served: Served, pool: Pool) -> None:
    served.rooms.reading = asyncio.Semaphore(2)
    held = [served.connect() for _ in range(3)]
    for each in held:
        begin(each, b"HELO x", b"MAIL FROM:<a@b.c>", b"RCPT TO:<d@e.f>")
        each.sendall(b"DATA\r\n")
    cast.instance(Stage.DEVELOPMENT, "neighbour.localhost").pools.update(web_address=NEIGHBOUR)
    served.peer = NEIGHBOUR
    with served.client() as client:
        client.sendmail("a@b.c", ["d@e.f"], TEXT)
    for each in held:
        each.close()
    assert Mail.objects.count() == 1


@pytest.mark.parametrize(
    "subject", [b"Hi\r\n =?utf-8?q?=0d=0aBcc=3a_x?=", b"\xff\xfe", b"=?klingon?q?a?=", b"=?utf-8?b?####?=", b"a\0b"]
)
def test_odd_headers_are_kept_as_one_line(served: Served, pool: Pool, subject: bytes) -> None:
    with served.client() as client:
        client.sendmail("a@b.c", ["d@e.f"], b"Subject: " + subject + b"\r\n\r\n")
    mail = Mail.objects.get()
    assert mail.subject.isprintable()
    assert mail.sender == "a@b.c"


def test_a_database_that_is_away_is_said_and_the_next_mail_is_kept(
    served: Served, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_values: object) -> None:
        raise OperationalError("the server is gone")

    with served.client() as client:
        with monkeypatch.context() as patch:
            patch.setattr(mails, "keep", away)
            with pytest.raises(smtplib.SMTPDataError, match="451"):
                client.sendmail("a@b.c", ["d@e.f"], TEXT)
        client.sendmail("a@b.c", ["d@e.f"], TEXT)
    assert Mail.objects.count() == 1


def test_a_full_disk_is_said(served: Served, pool: Pool, world: World) -> None:
    world.disk_free = 0
    with served.client() as client, pytest.raises(smtplib.SMTPDataError, match="452"):
        client.sendmail("a@b.c", ["d@e.f"], TEXT)
