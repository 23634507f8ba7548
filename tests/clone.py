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

    def read(self, path: str, branch: str = "main") -> str:
        return git.git(self.folder, "show", f"refs/heads/{branch}:{path}").decode()

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
