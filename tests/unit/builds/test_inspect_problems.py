"""What an inspection says of a repository that is not well."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from builds.findings import Problem
from builds.inspect import inspect
from tests.unit.builds.trees import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path)
    made.addon("sound")
    return made


def only(problems: tuple[Problem, ...]) -> Problem:
    assert len(problems) == 1, [str(problem) for problem in problems]
    return problems[0]


def error(tree: Tree, series: str = "18.0") -> Problem:
    found = inspect(tree.root, series)
    assert found.warnings == ()
    problem = only(found.errors)
    assert problem.what_to_do.endswith(".")
    return problem


def test_a_repository_without_addons(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    assert error(Tree(tmp_path)).title == "There are no addons in this repository"


def test_a_repository_with_nothing_installable(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.addon("one", installable=False)
    assert error(tree).title == "There are no addons in this repository"


def test_a_repository_that_is_an_addon_itself(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.addon(".")
    assert error(tree).title == "The repository itself is a module"


@pytest.mark.parametrize(
    ("text", "line", "detail"),
    [
        ("{\n'name': 'One'\n'version': '1'}", 3, "invalid syntax"),
        ("{\n'name': _('One')}", 2, "plain values"),
        ("{'name': __import__('os').system('reboot')}", 1, "plain values"),
        ("['name']", 0, "not a dictionary"),
        ("{'version': 18.0}", 0, "'version'"),
        ("{'version': '1.0\\n'}", 0, "'version'"),
        ("{'depends': 'base'}", 0, "'depends'"),
        ("{'depends': [1]}", 0, "'depends'"),
        ("{'external_dependencies': ['x']}", 0, "not a dictionary"),
        ("{'external_dependencies': {'bin': {'x': 'y'}}}", 0, "'bin'"),
        ("{['x']: 1}", 0, "nested too deeply"),
        ("", 0, ""),
        ("\0", 0, ""),
        ("(" * 5000, 0, ""),
        ("{'x': " + "-" * 100_000 + "1}", 0, ""),
    ],
)
def test_a_broken_manifest(tree: Tree, text: str, line: int, detail: str) -> None:
    tree.write("one/__init__.py")
    tree.write("one/__manifest__.py", text)
    problem = error(tree)
    assert problem.title == "A manifest can't be read"
    assert problem.path.startswith("one/__manifest__.py")
    assert detail in problem.detail
    if line:
        assert problem.path == f"one/__manifest__.py:{line}"


def test_a_manifest_that_is_not_text(tree: Tree) -> None:
    tree.addon("one")
    (tree.root / "one/__manifest__.py").write_bytes(b"{'name': '\xff'}")
    assert "not UTF-8" in error(tree).detail


def test_a_manifest_that_is_too_large(tree: Tree) -> None:
    tree.addon("one", description="x" * 1_000_001)
    assert "larger than 1 MB" in error(tree).detail


def test_a_manifest_that_is_a_link(tree: Tree) -> None:
    tree.write("one/__init__.py")
    (tree.root / "one/__manifest__.py").symlink_to("/etc/passwd")
    assert "symbolic link" in error(tree).detail


def test_two_series(tree: Tree) -> None:
    tree.addon("one", "16.0.1.0.0")
    tree.addon("two", "18.0.1.0.0")
    problem = error(tree)
    assert problem.title == "The modules are for several series of Odoo"
    assert "1 for 16.0, 1 for 18.0, such as one" in problem.detail


@pytest.mark.parametrize("version", ["16.0.1.0", "8.0.1.0.0", "saas~17.2.1.0"])
def test_another_series_than_the_projects(tree: Tree, version: str) -> None:
    tree.addon("one", version)
    problem = error(tree)
    assert problem.title.startswith("The modules are for Odoo ")
    assert problem.path == "one/__manifest__.py"


@pytest.mark.parametrize("version", ["16.0.1.0", "18.0.1.0"])
def test_modules_that_are_not_ported_yet_may_stay(tree: Tree, version: str) -> None:
    tree.addon("one", version, installable=version.startswith("18"))
    assert inspect(tree.root, "18.0").problems == ()


@pytest.mark.parametrize("version", ["1.0", "16.0", "20.1.3", "0.1"])
def test_versions_without_series_fit_every_one(tree: Tree, version: str) -> None:
    tree.addon("one", version)
    assert inspect(tree.root, "18.0").problems == ()


def test_the_same_module_twice(tree: Tree) -> None:
    tree.addon("addons/sound")
    problem = error(tree)
    assert problem.title == "The module sound is there more than once"
    assert "addons/sound, sound" in problem.detail


@pytest.mark.parametrize("name", ["my-module", "1st", "mod ule", "módulo"])
def test_a_name_that_python_can_not_import(tree: Tree, name: str) -> None:
    tree.addon(f"addons/{name}")
    assert "is no name for a module" in error(tree).title


@pytest.mark.parametrize("path", ["one/__init__.py", "one/models/sale.py", "one/migrations/18.0.2.0/post-x.py"])
def test_a_syntax_error(tree: Tree, path: str) -> None:
    tree.addon("one")
    tree.write("one/models/__init__.py")
    tree.write(path, "import os\nclass Sale(\n    x = 1\n")
    problem = error(tree)
    assert problem.title == "Syntax error in the module one"
    assert problem.path == f"{path}:2"
    assert "class Sale(" in problem.detail


@pytest.mark.parametrize("text", ["x = 1\0", "# coding: nonsense\n", "def f():\n\tx\n        y\n"])
def test_files_that_python_can_not_read(tree: Tree, text: str) -> None:
    tree.addon("one")
    tree.write("one/x.py", text)
    assert error(tree).title == "Syntax error in the module one"


@pytest.mark.parametrize("path", ["one/scripts/old.py", "one/static/tool.py"])
def test_a_syntax_error_in_a_script_that_odoo_does_not_load_is_no_error(tree: Tree, path: str) -> None:
    tree.addon("one")
    tree.write(path, "print 'Python 2'\n")
    assert inspect(tree.root, "18.0").errors == ()


def test_syntax_that_is_too_new_for_the_series(tree: Tree) -> None:
    tree.addon("one")
    tree.write("one/x.py", "match 1:\n    case 1:\n        pass\n")
    assert error(tree, "16.0").title == "Syntax error in the module one"
    assert inspect(tree.root, "18.0").problems == ()


@pytest.mark.parametrize(
    "text", ['x = f"{y["z"]}"\n', "type X = int\n", "def f[T](x: T) -> T: ...\n", "class A[T]: ...\n"]
)
def test_syntax_of_python_3_12_is_no_error(tree: Tree, text: str) -> None:
    tree.addon("one")
    tree.write("one/x.py", text)
    assert inspect(tree.root, "18.0").errors == ()


def test_code_is_never_run(tree: Tree, tmp_path: Path) -> None:
    tree.addon("one")
    tree.write("one/hooks.py", f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    assert inspect(tree.root, "18.0").problems == ()
    assert not (tmp_path / "ran").exists()


class TestSubmodules:
    """They bring addons that nobody installs: what is wrong with those is nobody's concern."""

    BROKEN: Mapping[str, Any] = {"version": "16.0.1.0", "external_dependencies": {"bin": ["lsof"]}}

    def test_an_addon_that_nobody_needs_may_be_broken(self, tree: Tree) -> None:
        tree.addon("oca/one", **self.BROKEN)
        tree.addon("oca/dbfilter_from_header")
        tree.write("oca/one/x.py", "class")
        tree.write("oca/two/__manifest__.py", "{")
        found = inspect(tree.root, "18.0", ["oca"])
        assert found.errors == ()
        assert only(found.warnings).title == "A manifest can't be read"

    def test_one_that_an_own_addon_needs_may_not(self, tree: Tree) -> None:
        tree.addon("oca/one", **self.BROKEN)
        tree.addon("oca/between", depends=["one"])
        tree.addon("own", depends=["between"])
        assert len(inspect(tree.root, "18.0", ["oca"]).errors) == 2

    def test_one_that_is_wanted_may_not(self, tree: Tree) -> None:
        tree.addon("oca/one", **self.BROKEN)
        assert len(inspect(tree.root, "18.0", ["oca"], wanted=["one"]).errors) == 2

    def test_a_repository_may_be_made_of_submodules_alone(self, tmp_path: Path) -> None:
        tree = Tree(tmp_path)
        tree.addon("oca/one")
        assert inspect(tree.root, "18.0", ["oca"]).problems == ()
