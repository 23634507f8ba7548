"""The catcher of mails: an SMTP server that sends nothing on. All that staging and development send ends here.

It listens on the gateway of their network alone, and talks to containers whose code is the tenants': every size, every
number and every wait has its bound. A mail is answered with 250 after it was committed; one that is not kept is
refused, so that Odoo says so where it was sent.
"""

import asyncio
import ctypes
import logging
import os
import pwd
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.parser import BytesHeaderParser
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from aiosmtpd.smtp import SMTP, Envelope, Session
from django.conf import settings
from django.db import DatabaseError, connection

from hosting import machines, mails, walls
from hosting.mailparts import UNREADABLE, in_time, one_line
from portal import environment

log = logging.getLogger(__name__)

LINES = 300_000  # of one mail: one of base64, with as many bytes as may be, has two thirds of them
RECIPIENTS = 100  # of one mail
IDLE_S = 300.0  # for one command: Odoo may prepare a whole mail between two of them
CONTENT_S = 30.0  # for all of a mail's content, which is there already: others may be waiting to be read
CONNECTIONS = 8  # of one address
CONNECTIONS_ALL = 400
READ_AT_ONCE = 4  # mails of which content is read: each is in memory, and some three times its size
BIG = 1024 * 1024  # bytes
HEADER_BYTES = 64 * 1024  # of a mail, in which its headers are looked for
BUSY = "421 4.7.0 Too many connections"
LATER = "451 4.3.0 The mail could not be kept just now; nothing was kept of it"

T = TypeVar("T")


class Rooms:
    """What connections have in common: how many there are, whose content is read, and the thread of the database."""

    def __init__(self) -> None:
        self.connections: Counter[str] = Counter()
        self.reading = asyncio.Semaphore(READ_AT_ONCE)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._database = ThreadPoolExecutor(1, "database")

    def turn(self, address: str) -> asyncio.Lock:
        """By which the mails of one address are read one after the other, so that it takes nobody else's room."""
        return self._turns.setdefault(address, asyncio.Lock())

    async def ask(self, query: Callable[[], T]) -> T:
        """Run what asks the database. Raises DatabaseError; the next one gets a new connection then."""
        return await asyncio.get_running_loop().run_in_executor(self._database, partial(_with_connection, query))


def _with_connection(query: Callable[[], T]) -> T:
    try:
        return query()
    except DatabaseError:
        connection.close()
        raise


class Keeper:
    """What is answered to a mail; the hooks of aiosmtpd."""

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: Sequence[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= RECIPIENTS:
            return f"452 4.5.3 No more than {RECIPIENTS} recipients of one mail"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: "Catcher", _session: Session, envelope: Envelope) -> str:
        assert server.sender is not None
        raw = envelope.content
        assert isinstance(raw, bytes)
        by, subject = headers(raw)
        keep = partial(
            mails.keep,
            address=server.address,
            expected=server.sender,
            by=by or one_line(envelope.mail_from or ""),
            recipients=", ".join(map(one_line, envelope.rcpt_tos)),
            subject=subject,
            raw=raw,
        )
        try:
            await server.rooms.ask(keep)
        except mails.NotTaken as error:
            return str(error)
        return "250 OK: kept, and sent to nobody"

    async def handle_exception(self, error: Exception) -> str:
        """Nothing that a tenant sends, and no database that is away, ends the catcher; nor does it say why."""
        log.warning("a mail was not kept: %s: %.300s", type(error).__name__, error)
        return LATER


def headers(raw: bytes) -> tuple[str, str]:
    """Who sends a mail and its subject, as its headers say; "" where they can't be read."""
    try:
        found = BytesHeaderParser(policy=in_time()).parsebytes(raw[:HEADER_BYTES])
        return one_line(found["from"] or ""), one_line(found["subject"] or "")
    except UNREADABLE:
        return "", ""


def give_back_memory() -> None:
    """What a mail took of it: PostgreSQL's client keeps its buffer with the connection, and glibc what is free."""
    connection.close()
    with suppress(AttributeError):  # another C library has no such thing
        ctypes.CDLL(None).malloc_trim(0)


def peer(transport: asyncio.BaseTransport) -> str:
    """The address at the other end."""
    return str(transport.get_extra_info("peername")[0])


class Catcher(SMTP):
    """One connection."""

    def __init__(self, rooms: Rooms, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            Keeper(),
            data_size_limit=mails.MESSAGE_BYTES,
            enable_SMTPUTF8=True,
            hostname="berth",
            ident="keeps mails, and sends none",
            timeout=IDLE_S,
            auth_exclude_mechanism=["LOGIN", "PLAIN"],
            loop=loop,
        )
        self.rooms = rooms
        self.address = ""
        self.sender: mails.Sender | None = None
        self._greeted = False
        self._bytes = self._lines = 0  # of the content that is being read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.address = peer(transport)
        self.rooms.connections[self.address] += 1
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.rooms.connections[self.address] -= 1
        if not self.rooms.connections[self.address]:
            del self.rooms.connections[self.address]
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """aiosmtpd keeps a line without an end, and each short line as an object, for as long as somebody sends."""
        self._bytes += len(data)
        self._lines += data.count(b"\n")
        if not self._greeted:
            # Who talks before it heard us may have died meanwhile, and its address be another's: see mails.keep.
            self._hang_up("554 5.5.1 Wait for the greeting")
        elif self._bytes > 2 * mails.MESSAGE_BYTES or self._lines > LINES:
            self._hang_up(f"552 5.3.4 A mail has at most {mails.MESSAGE_BYTES} bytes and {LINES} lines")
        else:
            super().data_received(data)

    def _hang_up(self, answer: str) -> None:
        if isinstance(self.transport, asyncio.Transport) and not self.transport.is_closing():
            self.transport.write(f"{answer}\r\n".encode())
            self.transport.close()

    async def _handle_client(self) -> None:
        """Find out who this is before a word is said."""
        connections = self.rooms.connections
        if connections[self.address] > CONNECTIONS or connections.total() > CONNECTIONS_ALL:
            return self._hang_up(BUSY)
        try:
            self.sender = await self.rooms.ask(partial(mails.sender, self.address))
        except DatabaseError as error:
            log.warning("%s is not known just now: %s", self.address, error)
            return self._hang_up(LATER)
        if self.sender is None:
            return self._hang_up("550 5.7.1 No database of staging or development has this address")
        self._greeted = True
        await super()._handle_client()
        return None

    async def smtp_DATA(self, arg: str) -> None:
        async with self.rooms.turn(self.address), self.rooms.reading:
            self._bytes = self._lines = 0
            self._reset_timeout(CONTENT_S)
            await super().smtp_DATA(arg)
            self._reset_timeout()
            if self._bytes > BIG:
                await self.rooms.ask(give_back_memory)
            self._bytes = self._lines = 0


def catch(lifeline: int) -> None:
    """What the catcher's process does, as a user who may do nothing (deploy/webuser.py), until `lifeline` is cut."""
    lab = machines.bridges()[machines.network(production=False)]
    become(f"berth-{settings.BERTH_INSTALLATION}")
    settings.BERTH_HOSTED_URL = settings.BERTH_LAB_URL = ""
    environment.forget()
    asyncio.run(_until_cut(lifeline, serve(lab.gateway, walls.MAIL_PORT)))


def become(user: str) -> None:
    """Go on as another user, where this one is root. Raises KeyError where there is no such user."""
    if os.geteuid() == 0:
        account = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)


async def _until_cut(lifeline: int, work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_reader(lifeline, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


async def serve(host: str, port: int) -> None:
    """Catch until cancelled. Raises OSError where it can't listen."""
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # aiosmtpd tells whatever a tenant says
    loop, rooms = asyncio.get_running_loop(), Rooms()
    server: Any = await loop.create_server(lambda: Catcher(rooms, loop), host, port, backlog=CONNECTIONS_ALL)
    log.info("catching mails on %s:%s", host, port)
    async with server:
        await server.serve_forever()
