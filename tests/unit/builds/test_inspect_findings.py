"""What an inspection found survives being kept as JSON."""

import json
from pathlib import Path

from builds.findings import Inspection
from builds.inspect import inspect


def test_it_comes_back_from_json_as_it_was(tmp_path: Path) -> None:
    addon = tmp_path / "addons" / "library"
    addon.mkdir(parents=True)
    (addon / "__init__.py").touch()
    (addon / "__manifest__.py").write_text("{'name': 'Library', 'version': '18.0.1.0.0', 'depends': ['base']}")
    (tmp_path / "packages.txt").write_text("libfoo\n")
    found = inspect(tmp_path, "18.0")
    assert found.addons
    assert found.problems
    assert Inspection.from_json(json.loads(json.dumps(found.as_json()))) == found
