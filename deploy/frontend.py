"""Front-end libraries: npm packages pinned in package-lock.json, of which the needed files go to static/vendor/."""

import hashlib
import os
import re
import shutil
from pathlib import Path

from deploy.packages import full_path
from portal.commands import run

# Place in node_modules -> place in static/vendor.
FILES = {
    "bootstrap/dist/css/bootstrap.min.css": "bootstrap.min.css",
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
}
SOURCE_MAP = re.compile(rb"(?m)^\s*(//|/\*)# sourceMappingURL=[^\n]*\n?")


def ensure(checkout: Path) -> bool:
    """Fill static/vendor/ unless it holds what the lock says; whether anything was done. Raises CommandError."""
    vendor, stamp = checkout / "static" / "vendor", checkout / "static" / "vendor" / ".stamp"
    wanted = fingerprint(checkout / "package-lock.json")
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    environment = os.environ | {"PATH": full_path()}
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], timeout=600, cwd=checkout, env=environment)
    shutil.rmtree(vendor, ignore_errors=True)
    copy(checkout / "node_modules", vendor)
    stamp.write_text(wanted)
    return True


def fingerprint(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes() + repr(sorted(FILES.items())).encode()).hexdigest()


def copy(modules: Path, vendor: Path) -> None:
    """Copy FILES. Source maps are not served, and collectstatic refuses a file that names a missing one."""
    for source, target in FILES.items():
        (vendor / target).parent.mkdir(parents=True, exist_ok=True)
        (vendor / target).write_bytes(SOURCE_MAP.sub(b"", (modules / source).read_bytes()))
