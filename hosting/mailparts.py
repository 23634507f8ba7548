"""What is in a mail: its headers, its text, its HTML, its parts. It may be made to harm whoever takes it apart.

The parser of Python's library is kept from what it can't bound by itself: long headers (some take quadratic time),
thousands of parts, parts in parts in parts. All of it together has its time.
"""

import base64
import codecs
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import EmailPolicy
from itertools import islice
from typing import Any
from urllib.parse import unquote

SECONDS = 3.0  # for taking a mail apart
HEADER_CHARS = 2000
BOUNDARIES = 2000  # lines that may begin a part
PARTS = 200  # that are listed
TEXT_BYTES = 512 * 1024  # of text or HTML that are shown
IMAGES_CHARS = 8 * 1024 * 1024  # of images, in base64, that are put into the HTML; each as often as it is named
HEADERS = ("From", "To", "Cc", "Reply-To", "Date", "Subject")
UNREADABLE = Exception  # there is hardly one that Python's parser does not raise for a broken mail
SLOW_CODECS = {"punycode", "idna"}  # quadratic, and nobody writes a mail in them

_CID = re.compile(r"""cid:([^\s"'<>()]{1,300})""", re.IGNORECASE)
# For what these name, a browser connects to others before it asks whether it may (Chromium does for frames), or goes
# there by itself. They are found exactly as a browser reads the names of tags.
_TAGS = "link|meta|base|iframe|frame|frameset|fencedframe|portal|object|embed"
_REACHING_OUT = re.compile(rf"<(/?)(?=(?:{_TAGS})[\s/>])", re.IGNORECASE)


class Capped(EmailPolicy):
    """Python's default, with headers that end where nobody reads on, and none that is read later than `until`."""

    until = math.inf

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        self._look_at_clock()
        name, value = super().header_source_parse(sourcelines)
        return name[:100], value[:HEADER_CHARS]

    def header_fetch_parse(self, name: str, value: str) -> Any:
        self._look_at_clock()
        return super().header_fetch_parse(name, value)

    def _look_at_clock(self) -> None:
        if time.monotonic() > self.until:
            raise ValueError("it takes too long to take this mail apart")


def in_time() -> Capped:
    """The policy for one mail, which begins to be read now."""
    policy: Capped = Capped(until=time.monotonic() + SECONDS)  # type: ignore[call-overload]
    return policy


@dataclass(frozen=True)
class Part:
    """What can be downloaded. `number` is its place among all parts of its mail."""

    number: int
    type: str
    name: str
    size: int  # bytes
    cid: str = ""


@dataclass(frozen=True)
class Message:
    """A mail that was taken apart. `text` and `html` are "" where it has none."""

    headers: Sequence[tuple[str, str]] = ()
    text: str = ""
    html: str = ""
    parts: Sequence[Part] = ()
    more_parts: bool = False
    whole: bool = True  # whether it could be taken apart


def read(raw: bytes) -> Message:
    """Take a mail apart, as far as that goes."""
    try:
        return _read(raw)
    except UNREADABLE:
        return Message(text=as_text(raw), whole=False)


def _read(raw: bytes) -> Message:
    message = _parsed(raw)
    parts = list(islice(_leaves(message), PARTS + 1))
    html = _first(parts, "html")
    return Message(
        headers=[(name, value) for name in HEADERS if (value := _header(message, name))],
        text=_first(parts, "plain"),
        html=_for_frame(html, parts) if html else "",
        parts=[_described(number, part) for number, part in parts[:PARTS] if not _is_body(part)],
        more_parts=len(parts) > PARTS,
    )


def content(raw: bytes, number: int) -> tuple[Part, bytes] | None:
    """One part with its content, by its number."""
    try:
        for found, part in _leaves(_parsed(raw)):
            if found == number:
                return _described(number, part), _payload(part)
    except UNREADABLE:
        return None
    return None


def as_text(raw: bytes) -> str:
    """The beginning of a mail's source."""
    return raw[:TEXT_BYTES].decode("utf-8", "replace").replace("\r\n", "\n").replace("\0", "�")


def one_line(text: object) -> str:
    """Text from outside as a row can hold it: one line, without control characters or halves of characters."""
    line = " ".join(str(text)[:HEADER_CHARS].split()).encode("utf-8", "replace").decode()
    return "".join(character if character.isprintable() else "�" for character in line)


def _parsed(raw: bytes) -> EmailMessage:
    if raw.count(b"\n--") > BOUNDARIES:
        raise ValueError("too many parts")
    message = message_from_bytes(raw, policy=in_time())
    assert isinstance(message, EmailMessage)
    return message


def _leaves(message: EmailMessage) -> Iterator[tuple[int, EmailMessage]]:
    """Parts that hold no others, each with its number. A mail within the mail is one of them."""
    number, todo = 0, [message]
    while todo:
        part = todo.pop()
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            todo += reversed(part.get_payload())  # type: ignore[arg-type]
        else:
            number += 1
            yield number, part


def _is_body(part: EmailMessage) -> bool:
    return part.get_content_type() in {"text/plain", "text/html"} and not _is_attached(part)


def _is_attached(part: EmailMessage) -> bool:
    return part.get_content_disposition() == "attachment" or bool(_filename(part))


def _first(parts: Sequence[tuple[int, EmailMessage]], kind: str) -> str:
    """The text of the first body of this kind."""
    for _number, part in parts:
        if part.get_content_type() == f"text/{kind}" and not _is_attached(part):
            return _decoded(part)
    return ""


def _decoded(part: EmailMessage) -> str:
    payload = _payload(part)[:TEXT_BYTES]
    try:
        charset = codecs.lookup(part.get_content_charset("utf-8")).name
        text = payload.decode("utf-8" if charset in SLOW_CODECS else charset, "replace")
    except (LookupError, ValueError):
        text = payload.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\0", "�").encode("utf-8", "replace").decode()


def _payload(part: EmailMessage) -> bytes:
    if part.is_multipart():  # a mail within the mail
        return b"\r\n\r\n".join(each.as_bytes() for each in part.get_payload())  # type: ignore[union-attr]
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _described(number: int, part: EmailMessage) -> Part:
    kind = part.get_content_type()
    extension = ".eml" if kind == "message/rfc822" else ""
    name = _filename(part) or f"part-{number}{extension}"
    cid = one_line(part.get("content-id", "")).strip("<> ")
    return Part(number, kind, name, len(_payload(part)), cid)


def _filename(part: EmailMessage) -> str:
    """The last part of its name: no folder, and no drive."""
    return re.split(r"[/\\:]", one_line(part.get_filename() or ""))[-1][:150].strip(". ")


def _header(message: EmailMessage, name: str) -> str:
    """One header; "" where there is none, or it can't be read: the others are shown all the same."""
    try:
        return one_line(message.get(name, ""))
    except UNREADABLE:
        return ""


def _for_frame(html: str, parts: Sequence[tuple[int, EmailMessage]]) -> str:
    """HTML with the mail's own images in it; the frame that it is shown in loads nothing (builds/mailpages.py)."""
    images, room = dict(_images(parts)), IMAGES_CHARS

    def image(reference: re.Match[str]) -> str:
        nonlocal room
        found = images.get(unquote(reference[1]), "")
        if not found or len(found) > room:
            return reference[0]
        room -= len(found)
        return found

    return _REACHING_OUT.sub(r"<\1no-", _CID.sub(image, html))


def _images(parts: Sequence[tuple[int, EmailMessage]]) -> Iterator[tuple[str, str]]:
    """Content-ID -> image as `data:`."""
    for number, part in parts:
        if part.get_content_maintype() != "image" or not part.get("content-id"):
            continue
        described = _described(number, part)
        if re.fullmatch(r"image/[a-z0-9.+-]{1,40}", described.type):
            yield described.cid, f"data:{described.type};base64,{base64.b64encode(_payload(part)).decode()}"
