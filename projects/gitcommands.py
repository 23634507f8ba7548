"""The commands that a branch's page offers to copy."""

import shlex
from dataclasses import dataclass

from projects.models import Branch


@dataclass(frozen=True)
class GitCommand:
    label: str
    says: str  # what it does, for people
    text: str


def commands(branch: Branch, *, base: str) -> list[GitCommand]:
    """For a POSIX shell, the names quoted: a branch may be called `$(reboot)`. `base` is the branch to merge into."""
    name, target, url = shlex.quote(branch.name), shlex.quote(base), shlex.quote(branch.project.clone_url)
    series = shlex.quote(branch.project.series)
    found = [
        GitCommand("Clone", "Get the code of this branch.", f"git clone --recurse-submodules --branch {name} {url}"),
        GitCommand(
            "Fork",
            "Begin a new branch from this one; pushing it makes a development build.",
            f"git fetch origin && git checkout -b new-branch {shlex.quote('origin/' + branch.name)}"
            " && git push -u origin new-branch",
        ),
        GitCommand(
            "Submodule",
            "Add another repository's addons.",
            f"git submodule add -b {series} https://github.com/OWNER/NAME.git NAME"
            ' && git commit -m "Add NAME" && git push',
        ),
    ]
    if branch.name == base:
        return found
    return [
        *found,
        GitCommand(
            "Merge",
            f"Bring this branch into {base}.",
            f"git checkout {target} && git pull && git merge --no-ff {name} && git push",
        ),
        GitCommand("Delete", "Delete this branch on GitHub.", f"git push origin --delete {name}"),
    ]


def settle(name: str, into: str) -> list[GitCommand]:
    """What to do where `name` can't be merged into `into`: the conflict is settled on the former."""
    name, ours = shlex.quote(name), shlex.quote(f"origin/{into}")
    begin = f"git fetch origin && git checkout {name} && git pull && git merge {ours}"
    return [
        GitCommand("Begin", "Git says which files conflict: edit them.", begin),
        GitCommand("End", "Once they are as they should be.", "git commit --all --no-edit && git push"),
    ]
