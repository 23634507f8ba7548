"""Runs git, shut off from the machine's and the repository's own settings."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from portal.commands import CommandError, Output, discard, run

_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "gc.autoDetach": "false",  # nothing may go on when our call has ended
    "gc.pruneExpire": "90.days",  # what a force-push left can be built again as long as a staging build is valid
    "http.followRedirects": "false",  # they could lead into the private network
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "30",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "protocol.ssh.allow": "always",
}

MAX_OUTPUT = 64_000_000
"""Characters: some 600,000 files or branches. What a remote server may make us keep has an end."""


class GitError(Exception):
    """Git could not do it. The text says what was wrong and what to do; `transient` whether to try again."""

    def __init__(self, text: str, *, output: str = "", transient: bool = False, exit_code: int | None = None) -> None:
        self.output, self.transient, self.exit_code = output, transient, exit_code
        super().__init__(text)


class RepositoryBroken(GitError):
    """The mirror on our disk is damaged."""


class DiskFull(Exception):
    """No room on this machine's disk. No GitError, as nobody who pushes can do anything about it."""

    def __init__(self, output: str) -> None:
        super().__init__(f"Git could not write its files: No space left on device.\n{output.strip()[-500:]}")


def git(
    git_dir: Path,
    *arguments: str,
    timeout: float,
    settings: Mapping[str, str] | None = None,
    secret_settings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    secrets: Sequence[str] = (),
    output: Output = discard,
    keep_going: Callable[[], None] = lambda: None,
) -> str:
    """Run git on a repository and return its output, stderr included, with `secrets` masked.

    `secret_settings` go through the environment, since everybody on the machine may read an argument list.

    Raises GitError, DiskFull.
    """
    argv = ["git", f"--git-dir={git_dir}"]
    for key, value in {**_SETTINGS, **(settings or {})}.items():
        argv += ["-c", f"{key}={value}"]
    pieces: list[str] = []
    size = 0
    masked = _Masked(secrets, output)

    def take(text: str) -> None:
        nonlocal size
        size += len(text)
        if size > MAX_OUTPUT:
            raise GitError("Git failed: the repository's lists are too long for Berth. Make it smaller.")
        pieces.append(text)
        masked(text)

    try:
        run(
            [*argv, *arguments],
            timeout=timeout,
            env=_environment(secret_settings or {}, environment or {}),
            output=take,
            keep_going=keep_going,
            limit=10_000,
        )
    except CommandError as error:
        raise _translated(error, masked.clean(error.output)) from None
    finally:
        masked.flush()
    return masked.clean("".join(pieces))


def _environment(secret_settings: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_CONFIG_COUNT": str(len(secret_settings)),
    }
    for number, (key, value) in enumerate(secret_settings.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return {**environment, **more}


class _Masked:
    """Passes on whole lines, so that no secret can slip through between two pieces."""

    def __init__(self, secrets: Sequence[str], output: Output) -> None:
        self._secrets = [secret for secret in secrets if secret]
        self._output, self._rest = output, ""

    def __call__(self, text: str) -> None:
        whole, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline:
            self._output(self.clean(whole + newline))

    def flush(self) -> None:
        if self._rest:
            self._output(self.clean(self._rest))
            self._rest = ""

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class _Sign(NamedTuple):
    """A sign in git's output, what it means, and whether it passes by itself."""

    pattern: str
    meaning: str
    transient: bool = False


_SIGNS = (
    _Sign(r"file name too long",
          "a branch or file has a name that is too long for this machine. Shorten it, then push again."),
    _Sign(r"could not read username|authentication failed|returned error: 40[13]|terminal prompts disabled",
          "the server wants a sign-in. Connect the account again, or make the repository public."),
    _Sign(r"host key verification failed|remote host identification has changed",
          "the server has another host key than it had before. Ask whoever runs it whether it was changed; if so, let"
          " Berth forget the old one on the page of the project's submodules."),
    _Sign(r"permission denied \(",
          "the server refused the SSH key. Install its public half there, as a deploy key of that repository; it is on"
          " the page of the project's submodules."),
    _Sign(r"repository (?:.* )?not found|returned error: 404|not found: did you run|does not appear to be a git",
          "there is no such repository, or it is private. Check its address."),
    _Sign(r"returned error: 30\d|redirect",
          "the repository has moved to another address. Enter that address."),
    _Sign(r"ssl certificate problem|certificate verif",
          "the server's certificate is not trusted here. Ask the operator to add its CA to BERTH_EXTRA_CA_FILE."),
    _Sign(r"not our ref|unadvertised object|no such remote ref",
          "the commit is not in the repository (any more). Push again."),
    _Sign(r"could not resolve host|couldn't connect|connection (?:refused|reset|timed out)|failed to connect|gnutls"
          r"|returned error: (?:429|5\d\d)|early eof|hung up|operation too slow|broken pipe|unexpected disconnect",
          "the server could not be reached. Try again in a moment.", True),
    _Sign(r"unable to create '[^']*\.lock'|another git process seems to be running|cannot lock ref",
          "another Git works on the mirror of this repository. Try again in a moment.", True),
)  # fmt: skip

_BROKEN = re.compile(
    r"not a git repository|is corrupt|object file .* is empty|bad object|bad config|unable to read (?:tree|sha1)"
    r"|missing (?:blob|tree|commit)|invalid sha1 pointer|did not receive expected object|index-pack failed",
    re.IGNORECASE,
)


# `git checkout-index` doesn't say why it can't write a file.
_FULL = re.compile(r"no space left on device|disk quota exceeded|unable to write file", re.IGNORECASE)


def _translated(error: CommandError, output: str) -> GitError | DiskFull:
    code = error.exit_code
    if code is None:
        return GitError(f"Git {error.reason}. Nothing was changed; try again.", output=output, transient=True)
    if _FULL.search(output):
        return DiskFull(output)
    for sign in _SIGNS:
        if re.search(sign.pattern, output, re.IGNORECASE):
            return GitError(f"Git failed: {sign.meaning}", output=output, transient=sign.transient, exit_code=code)
    if _BROKEN.search(output):
        text = "Git failed: the mirror of this repository is damaged. Build again."
        return RepositoryBroken(text, output=output, exit_code=code)
    last = output.strip().rpartition("\n")[2][:300]
    return GitError(f"Git failed with exit code {code}: {last}", output=output, exit_code=code)
