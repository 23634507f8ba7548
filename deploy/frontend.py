"""Front-end libraries, of which the needed files go to static/vendor/: npm packages pinned in package-lock.json, and
Swagger UI, which comes as a Python package pinned in requirements.lock.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from deploy.packages import full_path
from portal.commands import run

# Place in node_modules -> place in static/vendor.
FILES = {
    "bootstrap/dist/css/bootstrap.min.css": "bootstrap.min.css",
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
}
SIDECAR = "drf_spectacular_sidecar"
OF_SIDECAR = {
    "swagger-ui-dist/swagger-ui.css": "swagger-ui.css",
    "swagger-ui-dist/swagger-ui-bundle.js": "swagger-ui-bundle.js",
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
    copy(FILES, checkout / "node_modules", vendor)
    copy(OF_SIDECAR, sidecar(), vendor)
    stamp.write_text(wanted)
    return True


def fingerprint(lock: Path) -> str:
    files = repr((sorted(FILES.items()), sorted(OF_SIDECAR.items()), version("drf-spectacular-sidecar")))
    return hashlib.sha256(lock.read_bytes() + files.encode()).hexdigest()


def sidecar() -> Path:
    """The package's folder of static files. It isn't an app of Django: collectstatic would take all of it."""
    found = find_spec(SIDECAR)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "static" / SIDECAR


def copy(files: Mapping[str, str], modules: Path, vendor: Path) -> None:
    """Copy files. Source maps are not served, and collectstatic refuses a file that names a missing one."""
    for source, target in files.items():
        (vendor / target).parent.mkdir(parents=True, exist_ok=True)
        (vendor / target).write_bytes(SOURCE_MAP.sub(b"", (modules / source).read_bytes()))
