import json
from pathlib import Path

import pytest

from builds.dockerfile import dockerfile, write_context
from builds.inspect import inspect
from tests.unit.builds.trees import Tree

BASE = "sha256:" + "a" * 64


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path / "tree")
    made.addon("addons/one")
    made.addon("oca/web/two")
    return made


def written(tree: Tree, name: str = "context", **options: Path) -> Path:
    target = tree.root.parent / name
    write_context(tree.root, inspect(tree.root, "18.0"), target, commit="c" * 40, build="b7", **options)
    return target


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()}


def snapshot(folder: Path) -> dict[str, tuple[int, float]]:
    return {str(path.relative_to(folder)): (path.lstat().st_mode, path.lstat().st_mtime) for path in folder.rglob("*")}


def test_an_image_without_requirements() -> None:
    assert dockerfile(BASE, requirements=False, extra_ca=False) == (
        f"FROM {BASE}\n"
        "USER root\n"
        "RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} +\n"
        "COPY addons/ /opt/berth/addons/\n"
        "COPY build.json /etc/berth/build.json\n"
        "USER odoo\n"
    )


def test_an_image_with_requirements_and_a_ca() -> None:
    lines = dockerfile(BASE, requirements=True, extra_ca=True).splitlines()
    assert lines[2] == "COPY berth-extra-ca.crt /usr/local/share/ca-certificates/berth-extra-ca.crt"
    assert lines[3].endswith(">> /etc/ssl/certs/ca-certificates.crt")
    assert lines[4] == "COPY requirements/ /tmp/requirements/"
    assert lines[5].startswith("RUN PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_BREAK_SYSTEM_PACKAGES=1 ")
    assert "python3 -m pip install --no-cache-dir --disable-pip-version-check -r /tmp/requirements/all.txt" in lines[5]
    assert "chmod a-s" in lines[6]


@pytest.mark.parametrize("base", ["", "odoo\nRUN reboot", "-x", "a b"])
def test_it_refuses_what_is_no_image(base: str) -> None:
    with pytest.raises(ValueError, match="is no image"):
        dockerfile(base, requirements=False, extra_ca=False)


def test_addons_are_where_the_addons_path_says(tree: Tree) -> None:
    tree.write("addons/README.md", "not an addon")
    context = written(tree)
    assert files(context / "addons") == {
        f"{place}/{name}" for place in ("0/one", "1/two") for name in ("__init__.py", "__manifest__.py")
    }
    assert inspect(tree.root, "18.0").addons_path == ("/opt/berth/addons/0", "/opt/berth/addons/1")


def test_the_build_file_says_which_commit_it_is(tree: Tree) -> None:
    assert json.loads((written(tree) / "build.json").read_text()) == {"commit": "c" * 40, "build": "b7"}


def test_requirements_are_copied_alone(tree: Tree) -> None:
    tree.write("requirements.txt", "-r deps/more.txt\n")
    tree.write("deps/more.txt", "xlrd\n")
    tree.write("deps/secret.txt", "not asked for\n")
    context = written(tree)
    assert files(context / "requirements") == {"all.txt", "files/requirements.txt", "files/deps/more.txt"}
    assert (context / "requirements/all.txt").read_text() == "-r files/requirements.txt\n-r files/deps/more.txt\n"


def test_without_requirements_there_is_no_folder_for_them(tree: Tree) -> None:
    assert not (written(tree) / "requirements").exists()


def test_the_extra_ca_is_copied(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("certificate")
    assert (written(tree, extra_ca_file=tmp_path / "ca.pem") / "berth-extra-ca.crt").read_text() == "certificate"


def test_the_same_commit_makes_the_same_context(tree: Tree) -> None:
    tree.write("addons/one/static/x.js", "let x;")
    first = written(tree, "first")
    for path in tree.root.rglob("*"):
        path.chmod(0o700)
        path.touch()
    assert {name: time for name, (_mode, time) in snapshot(written(tree, "second")).items()} == {
        name: time for name, (_mode, time) in snapshot(first).items()
    }


def test_a_changed_file_of_the_same_size_has_another_time(tree: Tree) -> None:
    """Odoo knows its asset bundles and static files by their time."""
    script = tree.write("addons/one/static/x.js", "let x = 1;")
    before = (written(tree) / "addons/0/one/static/x.js").stat().st_mtime
    script.write_text("let x = 2;")
    assert (written(tree) / "addons/0/one/static/x.js").stat().st_mtime != before


def test_modes_are_made_plain(tree: Tree) -> None:
    tree.write("addons/one/tool.sh", "#!/bin/sh").chmod(0o4777)
    tree.write("addons/one/private.py").chmod(0o600)
    context = written(tree)
    modes = {name: mode & 0o7777 for name, (mode, _time) in snapshot(context).items()}
    assert modes["addons/0/one/tool.sh"] == 0o755
    assert modes["addons/0/one/private.py"] == 0o644
    assert modes["addons/0/one"] == 0o755


def test_a_module_of_data_alone_gets_an_empty_init(tree: Tree) -> None:
    """Without one, Odoo refuses a folder of such modules in its addons path."""
    tree.write("data/only/__manifest__.py", "{}")
    assert (written(tree) / "addons/1/only/__init__.py").read_text() == ""


def test_links_within_an_addon_stay_links(tree: Tree) -> None:
    tree.write("addons/one/real.txt", "text")
    (tree.root / "addons/one/link.txt").symlink_to("real.txt")
    assert (written(tree) / "addons/0/one/link.txt").is_symlink()


def test_links_out_of_an_addon_become_what_they_lead_to(tree: Tree) -> None:
    tree.write("shared/logo.txt", "logo")
    tree.write("shared/icons/a.txt", "a")
    (tree.root / "addons/one/logo.txt").symlink_to("../../shared/logo.txt")
    (tree.root / "addons/one/icons").symlink_to("../../shared/icons")
    context = written(tree) / "addons/0/one"
    assert not (context / "logo.txt").is_symlink()
    assert (context / "logo.txt").read_text() == "logo"
    assert (context / "icons/a.txt").read_text() == "a"


def test_links_that_lead_nowhere_or_out_of_the_repository_are_left_out(tree: Tree) -> None:
    (tree.root / "addons/one/passwd").symlink_to("/etc/passwd")
    (tree.root / "addons/one/gone").symlink_to("../nothing")
    assert files(written(tree) / "addons/0/one") == {"__init__.py", "__manifest__.py"}


def test_a_context_of_an_earlier_try_is_replaced(tree: Tree) -> None:
    (written(tree) / "addons" / "0" / "left").touch()
    assert "0/left" not in files(written(tree) / "addons")
