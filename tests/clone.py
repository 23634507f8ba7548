"""A customer's clone of a repository: commits are made here and pushed over HTTP, as a person does it."""

from collections.abc import Mapping
from pathlib import Path

from tests.fakehub import git
from tests.fakehub.git import Content, GitError, Person

DEV = Person("Dev Deshpande", "dev@example.com")

__all__ = ["Clone", "Content", "GitError"]


class Clone:
    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        git.create(folder, "main")
        self.fetch()

    def fetch(self) -> None:
        """Take over what the remote has: its branches, and nothing of ours beside them."""
        git.git(self.folder, "fetch", "--quiet", "--prune", self.url, "+refs/heads/*:refs/heads/*")

    def head(self, branch: str = "main") -> str | None:
        return git.resolve(self.folder, branch)

    def read(self, path: str, branch: str = "main") -> str | None:
        """A file on the branch, or on `main` where there is no such branch; None where it isn't there."""
        tip = self.head(branch) or self.head()
        shown = git.git(self.folder, "show", f"{tip}:{path}", accept=(0, 128))
        return shown.decode() if shown or git.git(self.folder, "ls-tree", f"{tip}", path) else None

    def commit(
        self,
        files: Mapping[str, Content],
        message: str = "Change something",
        branch: str = "main",
        *,
        onto: str | None = None,
    ) -> str:
        """Commit on the branch, which begins at `main` where it is new, or on top of the commit `onto`."""
        parent = onto or self.head(branch) or self.head("main")
        return git.commit(self.folder, branch, files, message, DEV, parent)

    def commit_root(self, files: Mapping[str, Content], message: str, branch: str) -> str:
        """Let the branch begin anew with what `main` holds and these files, in a commit without a parent."""
        kept = git.git(self.folder, "ls-tree", "-r", "-z", "--name-only", "main").decode().split("\0")[:-1]
        everything = {path: self.read(path) for path in kept} | dict(files)
        return git.commit(self.folder, branch, everything, message, DEV, None)

    def branches(self) -> list[str]:
        return [name.removeprefix("refs/heads/") for name in git.refs(self.folder)]

    def send(self, *branches: str, force: bool = False) -> None:
        """Push branches, several at once. Raises GitError where the remote refuses."""
        plus = "+" if force else ""
        refspecs = [f"{plus}refs/heads/{branch}:refs/heads/{branch}" for branch in branches]
        git.git(self.folder, "push", "--quiet", self.url, *refspecs)

    def push(self, files: Mapping[str, Content], message: str = "Change something", branch: str = "main") -> str:
        """Commit on what the remote has by now, push, and return the hash."""
        self.fetch()
        sha = self.commit(files, message, branch)
        self.send(branch)
        return sha

    def delete(self, *branches: str) -> None:
        git.git(self.folder, "push", "--quiet", self.url, *(f":refs/heads/{branch}" for branch in branches))
        self.fetch()
