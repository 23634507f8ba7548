"""Filestores: copied between instances. Odoo's files are named by their content and never rewritten."""

import os
import shutil
from pathlib import Path

from hosting import machines, pools
from hosting.models import Instance


def path(instance: Instance) -> Path:
    return machines.folder(instance) / "data" / "filestore" / instance.database


def copy(source: Instance, target: Instance) -> int:
    """Copy what `target` lacks of `source`'s files; returns how many. Safe to repeat.

    A copy, since a hard link would share the inode with a tenant who owns his side of it and can write to it. The
    tenant's folder is read without following links.
    """
    copied = 0
    for folder, _folders, files in os.walk(path(source), followlinks=False):
        below = Path(folder).relative_to(path(source))
        destination = path(target) / below
        destination.mkdir(parents=True, exist_ok=True)
        for name in files:
            copied += _copy_file(Path(folder) / name, destination / name)
    _give_to_tenant(path(target))
    return copied


def _copy_file(source: Path, target: Path) -> bool:
    if source.is_symlink() or not source.is_file() or target.exists():
        return False
    partial = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, partial, follow_symlinks=False)
    partial.rename(target)
    return True


def _give_to_tenant(root: Path) -> None:
    for folder, _folders, files in os.walk(root.parent):
        for name in [folder, *(os.path.join(folder, file) for file in files)]:
            os.chown(name, pools.ODOO_UID, pools.ODOO_UID, follow_symlinks=False)
