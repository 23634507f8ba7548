"""Checks an exported tree before anything reads it."""

import os
from pathlib import Path

from projects.git.program import GitError


class EscapingSymlink(GitError):
    """A symbolic link that leads out of the repository."""

    def __init__(self, link: str, destination: str) -> None:
        self.link, self.destination = link, destination
        super().__init__(
            f"The symbolic link {link} leads out of the repository, to {destination[:200]}. Nothing was built. "
            "Remove the link, or let it lead to a file of the repository by a relative path."
        )


def refuse_escaping_symlinks(target: Path) -> None:
    """Raise EscapingSymlink for the first link that is absolute or whose end, links on its way followed, is outside."""
    root = os.path.realpath(target)
    for folder, folders, files in os.walk(root):
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                continue
            destination = os.readlink(path)
            end = os.path.realpath(path)
            if os.path.isabs(destination) or (end != root and not end.startswith(root + os.sep)):
                raise EscapingSymlink(os.path.relpath(path, root), destination)
