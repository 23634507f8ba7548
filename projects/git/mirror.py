"""A bare mirror of a repository: fetch it, read its commits, export one."""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from portal.commands import Output, discard
from projects.git.credentials import authorization, secrets
from projects.git.lock import locked
from projects.git.names import Address, InvalidName, UrlPolicy, locate
from projects.git.program import GitError, RepositoryBroken, git
from projects.git.ssh import KeyRing, NoKeys, Session, SshKey, session
from projects.git.submodules import MAX_DEPTH, Submodule, SubmoduleError, absolute_url, place, read_submodules

KeepGoing = Callable[[], None]

QUICK = 60.0
"""Seconds for what only reads the mirror."""

MAX_MESSAGE = 10_000

NO_KEY = (
    "There is no deploy key for this address. Make one on the page of the project's submodules and install its public "
    "half there, or use the https:// address if the repository is public."
)

_ATTRIBUTES = "* -text -ident -filter !working-tree-encoding\n"
"""Files come out byte for byte as they are in the repository; this has precedence over its own `.gitattributes`."""


@dataclass(frozen=True)
class Commit:
    sha: str
    author_name: str
    author_email: str
    message: str
    committed_at: datetime


@dataclass(frozen=True)
class Checkout:
    sha: str
    submodule_paths: tuple[str, ...]
    """Relative to the tree, the nested ones too."""


@dataclass(frozen=True)
class Mirror:
    """The mirror at `path`; it is made by the first fetch. Mirrors of submodules are beside it, under `sub`."""

    path: Path
    policy: UrlPolicy = field(default_factory=UrlPolicy)
    ca_file: Path | None = None
    """CA certificates to trust in place of the machine's."""
    keys: KeyRing = field(default_factory=NoKeys)
    """For submodules."""

    def fetch(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout: float,
        output: Output = discard,
        keep_going: KeepGoing = lambda: None,
    ) -> None:
        """Make all branches what they are at `url`: new, moved, forced, deleted. `timeout` is in seconds.

        Waits while another fetch of this mirror runs. What a killed one left is cleaned; a damaged mirror is made anew.
        Raises GitError.
        """
        self._fetch(url, "+refs/heads/*:refs/heads/*", token, timeout, output, keep_going, "--prune")

    def fetch_commit(
        self, url: str, sha: str, *, timeout: float, output: Output = discard, keep_going: KeepGoing = lambda: None
    ) -> None:
        """Get one commit, without its history; nothing when it is here already. Raises GitError."""
        if self.has(sha):
            return
        self._fetch(url, f"{_sha(sha)}:refs/berth/{sha}", None, timeout, output, keep_going, "--depth=1")

    def has(self, sha: str) -> bool:
        if self._damaged.exists():
            return False
        try:
            git(self.path, "cat-file", "-e", f"{_sha(sha)}^{{tree}}", timeout=QUICK)
        except GitError:
            return False
        return True

    def heads(self) -> dict[str, str]:
        """Branch -> commit. Names are as the remote has them: put them through `validate_branch`. Raises GitError."""
        listed = git(self.path, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/", timeout=QUICK)
        return {name: sha for sha, name in re.findall(r"^([0-9a-f]{40}) refs/heads/(.+)$", listed, re.MULTILINE)}

    def commit(self, sha: str) -> Commit:
        """Raises GitError when it is not in the repository (any more)."""
        layout = "--format=%an%x00%ae%x00%cI%x00%B"
        if not self.has(sha):
            raise GitError(f"The commit {sha[:40]} is not in the repository (any more). Push again, then build that.")
        text = git(self.path, "log", "-1", "--no-show-signature", "--encoding=UTF-8", layout, sha, timeout=QUICK)
        name, email, moment, message = text.split("\0", 3)
        return Commit(
            sha=sha,
            author_name=name[:200],
            author_email=email[:200],
            message=message.strip()[:MAX_MESSAGE],
            committed_at=datetime.fromisoformat(moment),
        )

    def checkout(
        self,
        sha: str,
        target: Path,
        *,
        url: str,
        submodules: bool = True,
        timeout: float,
        output: Output = discard,
        keep_going: KeepGoing = lambda: None,
    ) -> Checkout:
        """Export the files of a commit into `target`, which is made anew, with those of its submodules.

        `url` is the repository's own, from which relative ones of submodules count. Submodules are fetched without any
        credentials but the key for their own address, if there is one. `timeout` is in seconds, per Git command.
        Symbolic links come as they are: follow with `refuse_escaping_symlinks`. Raises GitError, SubmoduleError.
        """
        if target.exists():
            shutil.rmtree(target)
        target.mkdir(parents=True)
        found: list[str] = []
        job = _Export(self, target, submodules, timeout, output, keep_going, found)
        job.export(self, sha, url, "", depth=0)
        return Checkout(sha=sha, submodule_paths=tuple(found))

    def ask(self, url: str, *, token: str | None = None, timeout: float, keep_going: KeepGoing = lambda: None) -> None:
        """See whether the server at `url` lets us read the repository. Nothing is fetched. Raises GitError."""
        address = locate(url, self.policy)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._ssh(address, None) as ssh:
            git(
                self.path, "ls-remote", "--quiet", "--", address.url, "HEAD",
                timeout=timeout, settings=self._settings(address, ssh), secret_settings=authorization(address, token),
                secrets=secrets(token), keep_going=keep_going,
            )  # fmt: skip

    def size(self) -> int:
        """Bytes on disk, submodules' mirrors apart; 0 where nothing was fetched yet."""
        found = (Path(folder) / name for folder, _folders, names in os.walk(self.path) for name in names)
        return sum(path.lstat().st_size for path in found if path.exists())

    def mark_damaged(self) -> None:
        """Let the next fetch make the mirror anew."""
        self._damaged.touch()

    def submodule(self, url: str) -> "Mirror":
        """The mirror of a submodule's repository. What came with a key is this repository's own: others, who may know
        address and commit, have to bring a key themselves.
        """
        name = hashlib.sha256(url.encode()).hexdigest()[:32]
        folder = f"{self.path.stem}.keyed" if self.keys.find(url) else "sub"
        return Mirror(self.path.parent / folder / name, self.policy, self.ca_file, self.keys)

    @property
    def _damaged(self) -> Path:
        return self.path / "berth-damaged"

    def _fetch(
        self,
        url: str,
        refspec: str,
        token: str | None,
        timeout: float,
        output: Output,
        keep_going: KeepGoing,
        *more: str,
    ) -> None:
        address, key = locate(url, self.policy), self.keys.find(url)
        deadline = time.monotonic() + timeout

        def attempt(ssh: Session) -> None:
            self._prepare()
            git(
                self.path, "fetch", "--no-tags", "--no-write-fetch-head", *more, "--", address.url, refspec,
                timeout=max(1.0, deadline - time.monotonic()),
                settings=self._settings(address, ssh), secret_settings=authorization(address, token),
                secrets=secrets(token), output=output, keep_going=keep_going,
            )  # fmt: skip

        with locked(self.path, deadline, keep_going), self._ssh(address, key) as ssh, self._noted(url, key, ssh):
            try:
                attempt(ssh)
            except RepositoryBroken:
                output("The mirror on this machine is damaged; it is made anew.\n")
                shutil.rmtree(self.path, ignore_errors=True)
                attempt(ssh)

    def _ssh(self, address: Address, key: SshKey | None) -> AbstractContextManager[Session]:
        folder = self.path.with_name(f"{self.path.name}.ssh")
        return session(address, key, folder, self.path.parent / "known_hosts")

    @contextmanager
    def _noted(self, url: str, key: SshKey | None, ssh: Session) -> Iterator[None]:
        """Tell the ring how its key fared."""
        try:
            yield
        except GitError as error:
            if key is not None:
                self.keys.note(url, known_hosts=key.known_hosts, error=str(error))
            raise
        if key is not None:
            self.keys.note(url, known_hosts=ssh.known_hosts, error="")

    def _prepare(self) -> None:
        """Make the mirror, or repair what a process that was killed left of one. Only while it is locked."""
        if self._damaged.exists():
            shutil.rmtree(self.path)
        for pattern in ("*.lock", "refs/**/*.lock", "objects/**/tmp_*"):
            for stale in self.path.glob(pattern):
                if stale.is_file():
                    stale.unlink(missing_ok=True)
        git(self.path, "init", "--bare", "--quiet", "--template=", timeout=QUICK)
        (self.path / "info").mkdir(exist_ok=True)
        (self.path / "info" / "attributes").write_text(_ATTRIBUTES)

    def _settings(self, address: Address, ssh: Session) -> dict[str, str]:
        settings = {"core.sshCommand": ssh.command}
        if self.policy.allow_http:
            settings["protocol.http.allow"] = "always"
        if self.ca_file is not None:
            settings["http.sslCAInfo"] = str(self.ca_file)
        if address.ips:  # what was checked is what is used, whatever the name server answers next
            settings["http.curloptResolve"] = f"{address.host}:{address.port}:{','.join(address.ips)}"
        return settings


@dataclass(frozen=True)
class _Export:
    """One checkout on its way down through the submodules."""

    top: Mirror
    root: Path
    submodules: bool
    timeout: float
    output: Output
    keep_going: KeepGoing
    found: list[str]

    def export(self, mirror: Mirror, sha: str, url: str, prefix: str, *, depth: int) -> None:
        if not mirror.has(sha):
            raise GitError(f"The commit {sha[:40]} is not in the repository (any more). Push again, then build that.")
        folder = self.root / prefix
        self._write_files(mirror, sha, folder)
        for submodule in read_submodules(mirror.path, sha, QUICK) if self.submodules else ():
            path = os.path.join(prefix, submodule.path)
            place(submodule.path, folder).mkdir(parents=True, exist_ok=True)
            address = absolute_url(submodule.url, url)
            if address != submodule.url:  # it says only that it lies beside: the way there is ours to choose
                address = self.top.keys.ssh_url(address) or address
            if depth == MAX_DEPTH:
                raise SubmoduleError(path, address, f"Submodules are nested deeper than {MAX_DEPTH}. Make it flatter.")
            self.output(f"Submodule {path} at {submodule.sha[:8]} from {address}\n")
            self.found.append(path)
            below = self._get(submodule, path, address)
            self.export(below, submodule.sha, address, path, depth=depth + 1)

    def _get(self, submodule: Submodule, path: str, address: str) -> Mirror:
        mirror = self.top.submodule(address)
        try:
            if locate(address, mirror.policy).scheme == "ssh" and mirror.keys.find(address) is None:
                raise SubmoduleError(path, address, NO_KEY, wants_key=True)
            mirror.fetch_commit(
                address, submodule.sha, timeout=self.timeout, output=self.output, keep_going=self.keep_going
            )
        except SubmoduleError:
            raise
        except InvalidName as error:
            raise SubmoduleError(path, address, str(error)) from None
        except GitError as error:
            raise SubmoduleError(
                path, address, str(error),
                transient=error.transient, output=error.output, exit_code=error.exit_code,
                wants_key=mirror.keys.find(address) is not None and not error.transient,
            ) from None  # fmt: skip
        return mirror

    def _write_files(self, mirror: Mirror, sha: str, folder: Path) -> None:
        """By an index of our own, so that builds of one mirror don't meet."""
        index = self.root.with_name(self.root.name + ".index")
        environment = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(folder)}
        try:
            for arguments in (("read-tree", sha), ("checkout-index", "--all", "--force", f"--prefix={folder}/")):
                git(
                    mirror.path, *arguments,
                    timeout=self.timeout, environment=environment, output=self.output, keep_going=self.keep_going,
                )  # fmt: skip
        except RepositoryBroken:
            mirror.mark_damaged()
            raise
        finally:
            index.unlink(missing_ok=True)


def _sha(sha: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", sha):
        raise GitError(f"{sha[:60]!r} is no commit: those have 40 hexadecimal digits.")
    return sha
