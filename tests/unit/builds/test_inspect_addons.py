"""What an inspection finds in a repository that is well."""

import json
from pathlib import Path

import pytest

from builds.inspect import due_modules, inspect
from tests.unit.builds.trees import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_it_finds_addons_wherever_they_are(tree: Tree) -> None:
    tree.addon("one")
    tree.addon("addons/two", depends=["base", "one"], application=True)
    tree.addon("vendor/deep/er/three", installable=False)
    tree.write("addons/two/static/src/x.js")
    found = inspect(tree.root, "18.0")
    assert found.problems == ()
    assert [(addon.name, addon.path) for addon in found.addons] == [
        ("two", "addons/two"),
        ("one", "one"),
        ("three", "vendor/deep/er/three"),
    ]
    two = found.addons[0]
    assert (two.depends, two.application, two.has_static, two.installable) == (("base", "one"), True, True, True)
    assert not found.addons[2].installable


def test_a_folder_without_installable_addons_is_not_in_the_addons_path(tree: Tree) -> None:
    tree.addon("one")
    tree.addon("addons/two")
    tree.addon("vendor/three", installable=False)
    found = inspect(tree.root, "18.0")
    assert found.folders == ("", "addons")
    assert found.addons_path == ("/opt/berth/addons/0", "/opt/berth/addons/1")


@pytest.mark.parametrize("path", [".hidden/one", "node_modules/one", "two/tests/one", "a/b/c/d/e/f/g/h/one"])
def test_it_passes_over_folders_that_odoo_does_not_look_into(tree: Tree, path: str) -> None:
    tree.addon("two")
    tree.addon(path)
    assert [addon.name for addon in inspect(tree.root, "18.0").addons] == ["two"]


def test_it_follows_no_links(tree: Tree) -> None:
    tree.addon("one")
    (tree.root / "setup").mkdir()
    (tree.root / "setup" / "one").symlink_to("../one")
    found = inspect(tree.root, "18.0")
    assert [addon.path for addon in found.addons] == ["one"]
    assert found.problems == ()


def test_addons_of_submodules_are_marked(tree: Tree) -> None:
    tree.addon("own")
    tree.addon("oca/web/theirs")
    tree.addon("oca/website/other")
    found = inspect(tree.root, "18.0", submodule_paths=["oca/web"])
    assert {addon.name: addon.in_submodule for addon in found.addons} == {"own": False, "theirs": True, "other": False}


def test_a_submodule_may_be_an_addon_itself(tree: Tree) -> None:
    tree.addon("own")
    tree.addon("addons/theirs")
    found = inspect(tree.root, "18.0", submodule_paths=["addons/theirs"])
    assert found.addons[0].in_submodule


@pytest.mark.parametrize(
    ("version", "full"),
    [("1.2", "18.0.1.2"), ("18.0.1.2", "18.0.1.2"), ("18.0.1.0.3", "18.0.1.0.3"), ("18.0", "18.0.18.0")],
)
def test_versions_are_completed_as_odoo_does(tree: Tree, version: str, full: str) -> None:
    tree.addon("one", version)
    addon = inspect(tree.root, "18.0").addons[0]
    assert (addon.version, addon.full_version) == (version, full)


def test_a_manifest_without_version_has_odoos_default(tree: Tree) -> None:
    tree.write("one/__init__.py")
    tree.write("one/__manifest__.py", "{'name': 'One'}")
    assert inspect(tree.root, "16.0").addons[0].full_version == "16.0.1.0"


def test_a_module_of_data_alone_needs_no_python(tree: Tree) -> None:
    tree.write("one/__manifest__.py", "{}")
    assert inspect(tree.root, "18.0").problems == ()


def test_queue_job_is_noticed(tree: Tree) -> None:
    tree.addon("one")
    assert not inspect(tree.root, "18.0").queue_job
    tree.addon("queue/queue_job", "18.0.3.0.0")
    assert inspect(tree.root, "18.0", ["queue"]).queue_job


def test_requirements_are_found_beside_addons_folders_and_at_the_top(tree: Tree) -> None:
    tree.addon("addons/one")
    tree.addon("oca/web/two")
    for path in ("", "addons/", "oca/", "oca/web/", "docs/"):
        tree.write(f"{path}requirements.txt", "xlrd\n")
    found = inspect(tree.root, "18.0")
    assert found.requirements_files == (
        "addons/requirements.txt",
        "oca/requirements.txt",
        "oca/web/requirements.txt",
        "requirements.txt",
    )


def test_included_requirements_are_found(tree: Tree) -> None:
    tree.addon("one")
    tree.write("requirements.txt", "-r deps/more.txt\n-c deps/limits.txt\n")
    tree.write("deps/more.txt", "-r more.txt\n-r least.txt\n")
    tree.write("deps/least.txt", "xlrd\n")
    tree.write("deps/limits.txt", "xlrd<2\n")
    found = inspect(tree.root, "18.0")
    assert found.problems == ()
    assert set(found.requirements_files) == {"requirements.txt", "deps/more.txt", "deps/least.txt", "deps/limits.txt"}


def test_findings_survive_the_database(tree: Tree) -> None:
    tree.addon("one", external_dependencies={"python": ["xlrd"]})
    tree.write("requirements.txt", "xlrd==1.2  # old\n")
    found = inspect(tree.root, "18.0").as_json()
    assert json.loads(json.dumps(found)) == found
    assert found["addons"][0]["requirements"] == ["xlrd==1.2"]
    assert (found["addons_path"], found["queue_job"]) == (["/opt/berth/addons/0"], False)


class TestDueModules:
    def found(self, tree: Tree, version: str = "1.0", requirement: str = "xlrd==1.2") -> dict[str, object]:
        tree.addon("one", version, external_dependencies={"python": ["xlrd", "Foo.Bar"]})
        tree.addon("two", version)
        tree.write("requirements.txt", f"{requirement}\nfoo_bar>=2\nother==1\n")
        return inspect(tree.root, "18.0").as_json()

    def test_nothing_is_due_when_nothing_changed(self, tree: Tree) -> None:
        found = self.found(tree)
        assert due_modules({"one": "18.0.1.0", "base": "18.0.1.3"}, found, found) == []

    @pytest.mark.parametrize("installed", ["18.0.0.9", "18.0.1.1", "17.0.1.0", ""])
    def test_another_version_is_due(self, tree: Tree, installed: str) -> None:
        found = self.found(tree)
        assert due_modules({"one": installed, "two": "18.0.1.0"}, found, found) == ["one"]

    def test_what_is_not_installed_is_not_due(self, tree: Tree) -> None:
        before, after = self.found(tree), self.found(tree, version="2.0")
        assert due_modules({"two": "18.0.1.0"}, after, before) == ["two"]

    def test_a_changed_requirement_makes_those_due_that_name_the_package(self, tree: Tree) -> None:
        before, after = self.found(tree), self.found(tree, requirement="xlrd==2.0")
        assert due_modules({"one": "18.0.1.0", "two": "18.0.1.0"}, after, before) == ["one"]

    def test_another_packages_requirement_makes_nothing_due(self, tree: Tree) -> None:
        before = self.found(tree)
        tree.write("requirements.txt", "xlrd==1.2\nfoo_bar>=2\nother==2\n")
        after = inspect(tree.root, "18.0").as_json()
        assert due_modules({"one": "18.0.1.0"}, after, before) == []

    def test_without_an_earlier_build_versions_alone_count(self, tree: Tree) -> None:
        assert due_modules({"one": "18.0.1.0"}, self.found(tree), {}) == []

    def test_what_is_not_installable_any_more_is_not_due(self, tree: Tree) -> None:
        before = self.found(tree)
        tree.addon("one", "2.0", installable=False)
        assert due_modules({"one": "18.0.1.0"}, inspect(tree.root, "18.0").as_json(), before) == []
