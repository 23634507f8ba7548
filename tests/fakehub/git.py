"""The stand-in's bare repositories: what GitHub does with Git on its side.

Every program is started with an environment of our own, so that nobody's Git configuration has a say.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ZERO = "0" * 40
CONFIGURATION = """
[http]
    receivepack = true
[uploadpack]
    allowAnySHA1InWant = true
    allowFilter = true
[gc]
    auto = 0
[receive]
    autogc = false
"""


class GitError(Exception):
    """Git refused; the text is what it said."""


@dataclass(frozen=True)
class Link:
    """A file's content that is a symbolic link to `target`."""

    target: str


@dataclass(frozen=True)
class Submodule:
    """A path that is a submodule at commit `sha` (`.gitmodules` is written by the caller)."""

    sha: str


@dataclass(frozen=True)
class Program:
    """A file with the executable bit."""

    text: str


Content = str | bytes | Link | Submodule | Program | None  # None removes the file


@dataclass(frozen=True)
class Person:
    name: str
    email: str


@dataclass(frozen=True)
class Commit:
    """Times are ISO 8601 with an offset, as Git's %aI gives them."""

    sha: str
    tree: str
    parents: list[str]
    author: Person
    authored_at: str
    committer: Person
    committed_at: str
    message: str
    added: list[str]
    removed: list[str]
    modified: list[str]


@dataclass(frozen=True)
class Entry:
    """`kind` is blob, tree or commit (a submodule); `size` is in bytes and 0 for what is no file."""

    kind: str
    sha: str
    size: int
    path: str


def environment(**extra: str) -> dict[str, str]:
    """The environment of every Git program here."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        **extra,
    }


def git(
    repository: Path,
    *arguments: str,
    stdin: bytes = b"",
    accept: tuple[int, ...] = (0,),
    identity: Mapping[str, str] | None = None,
) -> bytes:
    """Run Git in a bare repository and return its stdout. Raises GitError on another exit code than `accept`."""
    process = subprocess.run(
        ["git", f"--git-dir={repository}", *arguments],
        input=stdin,
        capture_output=True,
        env=environment(**(identity or {})),
        timeout=60,
    )
    if process.returncode not in accept:
        raise GitError(process.stderr.decode(errors="replace").strip() or f"git {arguments[0]} failed")
    return process.stdout


def create(path: Path, default_branch: str) -> None:
    git(path, "init", "--quiet", "--bare", "--template=", f"--initial-branch={default_branch}", str(path))
    with (path / "config").open("a") as config:
        config.write(CONFIGURATION)


def refs(path: Path) -> dict[str, str]:
    """Full name -> sha of branches and tags; a tag that is an object of its own is given by its commit."""
    lines = git(path, "for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", "refs/heads", "refs/tags")
    parts = [line.rstrip().rsplit(" ") for line in lines.decode(errors="replace").split("\n") if line]
    return {name: (peeled[-1] if peeled else sha) for name, sha, *peeled in parts}


def resolve(path: Path, name: str) -> str | None:
    """The commit that a branch, tag, full ref or hash names."""
    for candidate in (f"refs/heads/{name}", f"refs/tags/{name}", name):
        found = git(
            path, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{candidate}^{{commit}}", accept=(0, 1, 128)
        )
        if found:
            return found.decode().strip()
    return None


def commit(
    path: Path, branch: str, files: Mapping[str, Content], message: str, author: Person, parent: str | None
) -> str:
    """Put a commit on `branch` on top of `parent` (None: a root commit), moving the branch wherever it was before."""
    ref = f"refs/heads/{branch}"
    lines: list[bytes] = [f"commit {ref}".encode()]
    lines.append(f"committer {author.name} <{author.email}> now".encode())
    lines.append(_data(message.encode()))
    if parent:
        lines.append(f"from {parent}".encode())
    lines += [_change(name, content) for name, content in files.items()]
    if not parent:
        lines.insert(0, f"reset {ref}".encode())
    git(path, "fast-import", "--quiet", "--force", "--date-format=now", stdin=b"\n".join(lines) + b"\n")
    return refs(path)[ref]


def _data(content: bytes) -> bytes:
    return b"data %d\n%b" % (len(content), content)


def _change(name: str, content: Content) -> bytes:
    quoted = b'"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").encode() + b'"'
    match content:
        case None:
            return b"D " + quoted
        case Submodule(sha):
            return b"M 160000 " + sha.encode() + b" " + quoted
        case Link(target):
            return b"M 120000 inline " + quoted + b"\n" + _data(target.encode())
        case Program(text):
            return b"M 100755 inline " + quoted + b"\n" + _data(text.encode())
        case str() | bytes():
            raw = content.encode() if isinstance(content, str) else content
            return b"M 100644 inline " + quoted + b"\n" + _data(raw)


def log(path: Path, *revisions: str, limit: int = 250) -> list[Commit]:
    """Commits, newest first, with the files that each changed (none for a merge)."""
    fields = "%x1e" + "%x1f".join(["%H", "%T", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B"]) + "%x1f"
    raw = git(
        path,
        "log",
        f"--max-count={limit}",
        "-z",
        "--name-status",
        "--no-renames",
        f"--format={fields}",
        *revisions,
        "--",
    )
    return [_commit(entry) for entry in raw.decode(errors="replace").split("\x1e")[1:]]


def _commit(entry: str) -> Commit:
    sha, tree, parents, an, ae, ad, cn, ce, cd, message, changes = entry.split("\x1f")
    words = [word for word in changes.replace("\n", "").split("\0") if word]
    names: dict[str, list[str]] = {"A": [], "D": [], "M": [], "T": []}
    for kind, name in zip(words[::2], words[1::2], strict=True):
        names[kind].append(name)
    return Commit(
        sha=sha,
        tree=tree,
        parents=parents.split(),
        author=Person(an, ae),
        authored_at=ad,
        committer=Person(cn, ce),
        committed_at=cd,
        message=message.rstrip("\n"),
        added=names["A"],
        removed=names["D"],
        modified=names["M"] + names["T"],
    )


def distinct(path: Path, after: str, known: set[str]) -> set[str]:
    """Commits that `after` brought: reachable from it and from none of `known`."""
    return set(git(path, "rev-list", after, "--not", *sorted(known)).decode().split())


def is_ancestor(path: Path, old: str, new: str) -> bool:
    return not git(path, "rev-list", "--max-count=1", old, f"^{new}")


def merge(path: Path, base: str, head: str, message: str, author: Person) -> str | None:
    """A merge commit of two commits (not yet on any branch), or None where they conflict."""
    process_output = git(path, "merge-tree", "--write-tree", "--no-messages", base, head, accept=(0, 1)).decode()
    tree = process_output.splitlines()[0]
    if process_output.strip() != tree:
        return None
    identity = {
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (("NAME", author.name), ("EMAIL", author.email))
    }
    made = git(path, "commit-tree", tree, "-p", base, "-p", head, stdin=message.encode(), identity=identity)
    return made.decode().strip()


def move(path: Path, ref: str, new: str | None) -> None:
    """Set a ref, or remove it."""
    arguments = ["update-ref", ref, new] if new else ["update-ref", "-d", ref]
    git(path, *arguments)


def listing(path: Path, commit_sha: str, name: str) -> list[Entry]:
    """What lies directly in a folder (`folder/`; '' is the root), or the one entry of that name."""
    raw = git(path, "ls-tree", "-z", "--long", "--full-tree", commit_sha, "--", *([name] if name else []))
    rows = [entry.decode(errors="replace").split("\t", 1) for entry in raw.split(b"\0") if entry]
    parsed = [(about.split(), entry_name) for about, entry_name in rows]
    return [Entry(kind, sha, int(size) if size.isdigit() else 0, found) for (_, kind, sha, size), found in parsed]


def blob(path: Path, sha: str) -> bytes:
    return git(path, "cat-file", "blob", sha)
