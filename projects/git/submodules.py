"""Reads which submodules a commit has, and checks where they want to go."""

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from projects.git.program import GitError, git

MAX_DEPTH = 5
MAX_SUBMODULES = 200
MAX_GITMODULES = 200_000


class SubmoduleError(GitError):
    """A submodule can't be had: which one, from where, why, and what to do. `wants_key`: its deploy key is missing, or
    the server doesn't take it.
    """

    def __init__(
        self,
        path: str,
        url: str,
        reason: str,
        *,
        transient: bool = False,
        output: str = "",
        exit_code: int | None = None,
        wants_key: bool = False,
    ) -> None:
        self.path, self.url, self.reason, self.wants_key = path, url, reason, wants_key
        source = f" from {url}" if url else ""
        super().__init__(
            f"The submodule {path}{source} can't be fetched. {reason} Nothing was built; what runs was left as it is.",
            output=output,
            transient=transient,
            exit_code=exit_code,
        )


@dataclass(frozen=True)
class Submodule:
    path: str
    url: str
    """As in `.gitmodules`; may be relative to the address of the repository that it stands in."""
    sha: str


def read_submodules(git_dir: Path, sha: str, timeout: float) -> list[Submodule]:
    """The submodules of a commit, by path. Raises SubmoduleError for one without an address."""
    listed = git(git_dir, "ls-tree", "-r", "-z", sha, timeout=timeout).split("\0")
    links = {path: entry.split(" ")[2] for entry, _tab, path in (row.partition("\t") for row in listed)
             if entry.startswith("160000 ")}  # fmt: skip
    if not links:
        return []
    if len(links) > MAX_SUBMODULES:
        raise GitError(f"The repository has more than {MAX_SUBMODULES} submodules. Take some out, then push again.")
    urls = _read_urls(git_dir, sha, timeout) if ".gitmodules" in {row.partition("\t")[2] for row in listed} else {}
    for path in links:
        if not urls.get(path):
            raise SubmoduleError(
                path, "", "The file .gitmodules has no address for it. Add it there, or remove the submodule."
            )
    return [Submodule(path=path, url=urls[path], sha=links[path]) for path in sorted(links)]


def _read_urls(git_dir: Path, sha: str, timeout: float) -> dict[str, str]:
    """Path -> URL, from the commit's `.gitmodules`."""
    blob = f"{sha}:.gitmodules"
    if int(git(git_dir, "cat-file", "-s", blob, timeout=timeout)) > MAX_GITMODULES:
        raise GitError("The file .gitmodules is too long to be read. Make it shorter, then push again.")
    try:
        text = git(git_dir, "config", "--null", "--no-includes", f"--blob={blob}", "--list", timeout=timeout)
    except GitError as error:
        raise GitError(
            "The file .gitmodules can't be read. Correct it, then push again.", output=error.output
        ) from None
    paths: dict[str, str] = {}
    urls: dict[str, str] = {}
    for row in text.split("\0"):
        key, _newline, value = row.partition("\n")
        if match := re.fullmatch(r"submodule\.(.+)\.(path|url)", key, re.DOTALL):
            (paths if match[2] == "path" else urls)[match[1]] = value
    return {path.rstrip("/"): urls.get(name, "") for name, path in paths.items()}


def absolute_url(url: str, base: str) -> str:
    """A URL of `.gitmodules`, which counts from the repository's own address when it begins with `./` or `../`."""
    if not url.startswith(("./", "../")):
        return url
    prefix, separator, path = _split(base.rstrip("/"))
    joined = posixpath.normpath(posixpath.join("/" + path.lstrip("/"), url))
    return f"{prefix}{separator}{joined.lstrip('/')}"


def _split(base: str) -> tuple[str, str, str]:
    """Address in front, what separates it, path."""
    if "://" in base:
        scheme, _slashes, rest = base.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host}", slash or "/", path
    return base.partition(":")


def place(path: str, target: Path) -> Path:
    """Where in `target` a submodule goes: an empty folder, or none yet. Raises SubmoduleError if it leads out."""
    parts = path.split("/")
    if path.startswith("/") or any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        raise SubmoduleError(path, "", "Its path leads out of the repository. Correct it in .gitmodules.")
    place = target
    for part in parts:
        place /= part
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise SubmoduleError(path, "", f"{place.relative_to(target)} on its way is a link or a file. Remove that.")
    if place.exists() and any(place.iterdir()):
        raise SubmoduleError(path, "", "There are other files in its place. Remove them.")
    return place
