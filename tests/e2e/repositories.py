"""Repositories on the stand-in for GitHub, beside the demo's."""

import json
import urllib.request
from pathlib import Path

from tests.clone import Clone
from tests.installation import Installation


def new_repository(installation: Installation, folder: Path, name: str, login: str = "alice") -> None:
    """A repository of that person's with one small addon."""
    access = json.loads((installation.home / "fakehub" / "access.json").read_text())
    token = access["tokens"][login]
    request = urllib.request.Request(
        f"{access['api_url']}/user/repos",
        data=json.dumps({"name": name}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201
    url = access["url"].replace("://", f"://{login}:{token}@")
    clone = Clone(f"{url}/{login}/{name}.git", folder / "repository.git")
    manifest = "{'name': 'Tiny', 'version': '1.0', 'depends': ['base'], 'license': 'LGPL-3'}\n"
    clone.commit({"tiny/__manifest__.py": manifest, "tiny/__init__.py": ""}, "A tiny addon")
    clone.send("main")
