"""Files that are sent in pieces, so that a broken download goes on where it ended (RFC 9110, section 14)."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

PIECE = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,20})-(\d{0,20})")  # as many as 64 bits have: Python refuses thousands


class Unsatisfiable(Exception):
    """What was asked for lies behind the file's end."""


def send(request: HttpRequest, file: Path, *, name: str, tag: str) -> HttpResponseBase:
    """The file, or the part of it that is asked for, as an attachment called `name`. `tag` changes when it does.

    Raises FileNotFoundError.
    """
    size = file.stat().st_size
    try:
        part = wanted(request, size, f'"{tag}"')
    except Unsatisfiable:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    first, last = part or (0, size - 1)
    length = last - first + 1
    response = StreamingHttpResponse(
        _read(file, first, length if request.method == "GET" else 0),
        status=206 if part else 200,
        content_type="application/octet-stream",
    )
    response["Content-Length"] = str(length)
    if part:
        response["Content-Range"] = f"bytes {first}-{last}/{size}"
    response["Accept-Ranges"], response["ETag"] = "bytes", f'"{tag}"'
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private"
    return response


def wanted(request: HttpRequest, size: int, tag: str) -> tuple[int, int] | None:
    """First and last byte of the one range that is asked for; None: the whole, also of another file than was begun.

    Raises Unsatisfiable.
    """
    found = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if found is None or request.headers.get("If-Range", tag) != tag or not any(found.groups()):
        return None
    begin, end = found.groups()
    first = int(begin) if begin else max(size - int(end), 0)
    last = min(int(end), size - 1) if begin and end else size - 1
    if first > last:
        raise Unsatisfiable
    return first, last


async def _read(file: Path, first: int, length: int) -> AsyncIterator[bytes]:
    """Read in threads: a slow client must not keep others waiting, nor the file be in memory as a whole."""
    stream = await asyncio.to_thread(file.open, "rb")
    try:
        await asyncio.to_thread(stream.seek, first)
        while length and (piece := await asyncio.to_thread(stream.read, min(PIECE, length))):
            length -= len(piece)
            yield piece
    finally:
        stream.close()
