"""What can go wrong with the engine. Every message says what happened, what was left as it was, and what to do."""

from typing import ClassVar


class EngineError(Exception):
    """The engine refused or failed; the base of all exceptions of this package. `transient`: whether to try again."""

    transient: ClassVar[bool] = False


class EngineUnreachable(EngineError):
    """The engine gave no answer. Whether the last request was carried out is unknown; all of ours may be repeated."""

    transient = True


class ContainerMissing(EngineError):
    """There is no container of that name."""


class ImageMissing(EngineError):
    """The engine has no such image."""


class NetworkMissing(EngineError):
    """The engine has no such network."""


class AddressTaken(EngineError):
    """Another container of the network holds the address."""


class SubnetTaken(EngineError):
    """The subnet overlaps with another network of the engine or a route of the host."""


class FileRefused(EngineError):
    """The path is missing in the container, is no regular file, or is too large."""


class TimedOut(EngineError):
    """A one-off container or a command was still running at its time limit and was killed."""

    transient = True


class OutOfMemory(EngineError):
    """The kernel killed a one-off container at its memory limit."""


class LimitRefused(EngineError):
    """New limits are below what is in use or above what the host has; the old ones were left as they were."""


class BuildFailed(EngineError):
    """A command of an image build failed; no image was made.

    `command` is the failing instruction as the engine words it ("" where the engine itself failed), `exit_code` its
    exit code, `tail` the last lines of output.
    """

    def __init__(self, message: str, *, command: str = "", exit_code: int | None = None, tail: str = "") -> None:
        self.command, self.exit_code, self.tail = command, exit_code, tail
        super().__init__(message)
