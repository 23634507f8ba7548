"""Speaks to Git: keeps a bare mirror per project, and exports commits with their submodules. Needs no credentials file,
reads no configuration of the machine, runs no hook or filter, and never follows a repository out of its folder.
"""

from projects.git.mirror import Checkout, Commit, Mirror
from projects.git.names import InvalidName, UrlPolicy, host_and_path, locate, ssh_place, validate_branch, validate_url
from projects.git.program import GitError
from projects.git.ssh import KeyRing, SshKey
from projects.git.submodules import SubmoduleError
from projects.git.trees import EscapingSymlink, refuse_escaping_symlinks

__all__ = [
    "Checkout",
    "Commit",
    "EscapingSymlink",
    "GitError",
    "InvalidName",
    "KeyRing",
    "Mirror",
    "SshKey",
    "SubmoduleError",
    "UrlPolicy",
    "host_and_path",
    "locate",
    "refuse_escaping_symlinks",
    "ssh_place",
    "validate_branch",
    "validate_url",
]
