"""Reading what the engine streams, while somebody who may want to stop it is asked four times a second."""

import codecs
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

KeepGoing = Callable[[], None]
Item = TypeVar("Item")

PULSE = 0.25
_BACKLOG = 1000
_HEADER = 8


def forever() -> None:
    """A `KeepGoing` for callers who never want to stop."""


def pulsed(keep_going: KeepGoing) -> KeepGoing:
    """Call `keep_going` at most every `PULSE` seconds, however often the result is called."""
    last = 0.0

    def call() -> None:
        nonlocal last
        if time.monotonic() - last >= PULSE:
            keep_going()
            last = time.monotonic()

    return call


@dataclass(frozen=True)
class _End:
    """The last thing that a background thread says: it is through, or it failed."""

    error: BaseException | None = None


class _Pump(Generic[Item]):
    """A thread that goes through an iterable, for a reader that may leave at any time."""

    def __init__(self, items: Callable[[], Iterable[Item]]) -> None:
        self._items = items
        self.box: queue.Queue[Item | _End] = queue.Queue(_BACKLOG)
        self.left = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            for item in self._items():
                self._put(item)
                if self.left.is_set():
                    return
        except BaseException as error:
            self._put(_End(error))
        else:
            self._put(_End())

    def _put(self, item: Item | _End) -> None:
        while not self.left.is_set():
            with suppress(queue.Full):
                self.box.put(item, timeout=PULSE)
                return


def follow(
    items: Callable[[], Iterable[Item]], *, keep_going: KeepGoing, cancel: Callable[[], None] = forever
) -> Generator[Item, None, None]:
    """Yield what `items()` yields, read by a thread, so that its silence never delays `keep_going`.

    `cancel` is called at the end, however it ends; it must wake a thread that still waits for the engine.
    """
    pump, pulse = _Pump(items), pulsed(keep_going)
    try:
        while True:
            pulse()
            try:
                item = pump.box.get(timeout=PULSE)
            except queue.Empty:
                continue
            if not isinstance(item, _End):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                return
    finally:
        pump.left.set()
        cancel()


def in_background(call: Callable[[], Item], *, keep_going: KeepGoing) -> Item:
    """Return what `call` returns or raises. When `keep_going` raises, nobody waits for `call` any more."""

    def items() -> Iterator[Item]:
        yield call()

    return next(iter(follow(items, keep_going=keep_going)))


class Frames:
    """Takes the engine's multiplexed stream apart: per frame one byte of channel, three of nothing, four of length.

    https://docs.docker.com/engine/api/v1.41/#tag/Container/operation/ContainerAttach
    """

    def __init__(self) -> None:
        self._rest = b""
        self.heard = 0  # bytes of content
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {channel: decoder(errors="replace") for channel in (0, 1, 2)}

    def feed(self, piece: bytes) -> str:
        """The text of all frames that `piece` completes, the channels in the order in which they came."""
        self._rest += piece
        text = ""
        while len(self._rest) >= _HEADER:
            end = _HEADER + int.from_bytes(self._rest[4:_HEADER], "big")
            if len(self._rest) < end:
                break
            self.heard += end - _HEADER
            text += self._decoders[self._rest[0]].decode(self._rest[_HEADER:end])
            self._rest = self._rest[end:]
        return text
