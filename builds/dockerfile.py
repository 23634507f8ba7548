"""What an image is made from: the Dockerfile, and the folder that it copies from.

Layers go from what seldom changes to what always does: Odoo, the extra CA, the requirements, the addons, and last the
file that says which build it is. Nothing that a customer wrote stands in the Dockerfile itself.
"""

import json
import os
import re
import shutil
import zlib
from pathlib import Path

from builds.findings import ADDONS_ROOT, Inspection

REQUIREMENTS = "requirements"
ALL_REQUIREMENTS = "all.txt"
CA_FILE = "berth-extra-ca.crt"
BUILD_FILE = "build.json"

_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_CACHES = shutil.ignore_patterns("__pycache__", "*.pyc")
_OLDEST, _SPAN = 1_000_000_000, 600_000_000


def dockerfile(base_image_id: str, *, requirements: bool, extra_ca: bool) -> str:
    """The text of the Dockerfile. `base_image_id` is an ID or digest: a tag would make the engine ask a registry."""
    if not re.fullmatch(r"[\w][\w./:@-]*", base_image_id):
        raise ValueError(f"{base_image_id[:100]!r} is no image.")
    lines = [f"FROM {base_image_id}", "USER root"]
    if extra_ca:
        place = f"/usr/local/share/ca-certificates/{CA_FILE}"
        lines += [
            f"COPY {CA_FILE} {place}",
            f"RUN mkdir -p {os.path.dirname(_CA_BUNDLE)} && cat {place} >> {_CA_BUNDLE}",
        ]
    if requirements:
        lines += [f"COPY {REQUIREMENTS}/ /tmp/{REQUIREMENTS}/", f"RUN {_pip(extra_ca)} && rm -rf /tmp/{REQUIREMENTS}"]
    lines += [
        # After pip, since a package's set-up runs as root; before the addons, whose modes are set in the context.
        "RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} +",
        f"COPY addons/ {ADDONS_ROOT}/",
        f"COPY {BUILD_FILE} /etc/berth/{BUILD_FILE}",
        "USER odoo",
    ]
    return "\n".join([*lines, ""])


def _pip(extra_ca: bool) -> str:
    """`PIP_BREAK_SYSTEM_PACKAGES` is for an "externally managed" Python (Debian 12 and later); older pips ignore it."""
    certificates = f"PIP_CERT={_CA_BUNDLE} " if extra_ca else ""
    return (
        f"{certificates}PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1"
        f" python3 -m pip install --no-cache-dir --disable-pip-version-check -r /tmp/{REQUIREMENTS}/{ALL_REQUIREMENTS}"
    )


def write_context(
    tree: Path, inspection: Inspection, target: Path, *, commit: str, build: str, extra_ca_file: Path | None = None
) -> None:
    """Make `target` anew with what the Dockerfile copies; the addons are where `inspection.addons_path` says.

    Times are made from the contents: the same commit gives the same layers on every machine, and Odoo, which knows its
    asset bundles and static files by their time, notices each change.
    """
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    if extra_ca_file is not None:
        shutil.copyfile(extra_ca_file, target / CA_FILE)
    _write_requirements(tree, inspection.requirements_files, target / REQUIREMENTS)
    for number, folder in enumerate(inspection.folders):
        for addon in inspection.addons:
            if addon.folder == folder:
                _copy_addon(tree, tree / addon.path, target / "addons" / str(number) / addon.name)
    (target / BUILD_FILE).write_text(json.dumps({"commit": commit, "build": build}) + "\n")
    _settle(target)


def _write_requirements(tree: Path, files: tuple[str, ...], target: Path) -> None:
    """The files under their own paths, so that what they include is found, and one of ours that includes them all."""
    if not files:
        return
    for file in files:
        place = target / "files" / file
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tree / file, place)
    (target / ALL_REQUIREMENTS).write_text("".join(f"-r files/{file}\n" for file in files))


def _copy_addon(tree: Path, source: Path, target: Path) -> None:
    """Links that lead out of the addon become what they lead to, since only addons are in the image."""
    shutil.copytree(source, target, symlinks=True, ignore=_CACHES)
    (target / "__init__.py").touch()  # a module of data alone may lack it, but not a folder in the addons path
    for link in [path for path in target.rglob("*") if path.is_symlink()]:
        original = source / link.relative_to(target)
        end = Path(os.path.realpath(original))
        if end.is_relative_to(os.path.realpath(source)):
            continue
        link.unlink()
        if not end.is_relative_to(os.path.realpath(tree)) or not end.exists():
            continue  # leads nowhere; links out of the repository are refused before
        if end.is_dir():
            shutil.copytree(end, link, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".git"))
        else:
            shutil.copyfile(end, link)


def _settle(folder: Path) -> None:
    """Give everything modes and times that depend on nothing but the contents."""
    for place, folders, files in os.walk(folder, topdown=False):
        for name in files:
            path = Path(place, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
                moment = _OLDEST + zlib.crc32(path.read_bytes()) % _SPAN
                os.utime(path, (moment, moment))
        for name in folders:
            path = Path(place, name)
            if not path.is_symlink():
                path.chmod(0o755)
                os.utime(path, (_OLDEST, _OLDEST))
