"""What the platform does not have, and what pip is not given."""

from pathlib import Path

import pytest

from builds.inspect import inspect
from builds.platform_limits import unsupported_modules
from tests.unit.builds.test_inspect_problems import error
from tests.unit.builds.trees import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path)
    made.addon("addons/sound")
    return made


@pytest.mark.parametrize("path", ["packages.txt", "addons/apt.txt", "Aptfile"])
def test_a_list_of_system_packages(tree: Tree, path: str) -> None:
    tree.write(path, "# needed\n\nlibcups2-dev\n")
    problem = error(tree)
    assert (problem.title, problem.path) == ("System packages can't be installed", path)
    assert "libcups2-dev" in problem.detail


def test_an_empty_list_of_system_packages_is_fine(tree: Tree) -> None:
    tree.write("packages.txt", "# nothing\n")
    assert inspect(tree.root, "18.0").problems == ()


def test_a_program_that_the_image_lacks(tree: Tree) -> None:
    tree.addon("addons/one", external_dependencies={"bin": ["wkhtmltopdf", "libreoffice"]})
    problem = error(tree)
    assert problem.title == "System packages can't be installed"
    assert problem.detail == "The module one needs the programs libreoffice."


def test_programs_that_the_image_has_are_fine(tree: Tree) -> None:
    tree.addon("addons/one", external_dependencies={"bin": ["wkhtmltopdf", "lessc"], "python": ["requests"]})
    assert inspect(tree.root, "18.0").problems == ()


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("hooks.py", 'def init(cr):\n    cr.execute("CREATE EXTENSION IF NOT EXISTS postgis")\n', 2),
        ("hooks.py", "SQL = '''\ncreate  extension\n\"postgis\" '''\n", 1),
        ("data/init.sql", "SELECT 1;\nCreate Extension postgis;\n", 2),
        ("data/x.xml", "<odoo>\n<function eval=\"'CREATE EXTENSION postgis'\"/></odoo>", 2),
    ],
)
def test_an_extension_that_databases_do_not_have(tree: Tree, path: str, text: str, line: int) -> None:
    tree.write(f"addons/sound/{path}", text)
    problem = error(tree)
    assert problem.title == "The PostgreSQL extension postgis can't be installed"
    assert problem.path == f"addons/sound/{path}:{line}"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("hooks.py", 'cr.execute("CREATE EXTENSION IF NOT EXISTS unaccent; CREATE EXTENSION pg_trgm")\n'),
        ("hooks.py", '"""Without CREATE EXTENSION postgis."""\n# CREATE EXTENSION postgis\n'),
        ("init.sql", "-- CREATE EXTENSION postgis\n/* CREATE\nEXTENSION postgis */"),
        ("x.xml", "<odoo><!-- CREATE EXTENSION postgis --></odoo>"),
        ("README.md", "CREATE EXTENSION postgis"),
    ],
)
def test_allowed_extensions_and_mere_words_are_fine(tree: Tree, path: str, text: str) -> None:
    tree.write(f"addons/sound/{path}", text)
    assert inspect(tree.root, "18.0").problems == ()


def test_a_module_that_does_not_work_here(tree: Tree) -> None:
    tree.addon("addons/session_redis")
    problem = error(tree)
    assert problem.title == "The module session_redis does not work on this platform"
    assert "https://github.com/camptocamp/" in problem.detail


def test_a_module_that_needs_one_which_does_not_work_here(tree: Tree) -> None:
    tree.addon("addons/maps", depends=["base_geoengine"])
    assert "maps depends on it." in error(tree).detail


def test_every_unsupported_module_says_why_and_where_that_is_written() -> None:
    assert len(unsupported_modules()) >= 5
    for module in unsupported_modules().values():
        assert module.reason.endswith(".")
        assert module.alternative.endswith(".")
        assert module.source.startswith("https://")


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("-e .", "Editable"),
        ("--editable=git+https://example.com/x", "Editable"),
        ("./lib/thing", "folder or file"),
        ("../thing", "folder or file"),
        ("/etc/passwd", "folder or file"),
        ("file:///etc", "folder or file"),
        ("thing.whl", "folder or file"),
        ("thing @ file:///etc", "https://"),
        ("git+ssh://git@example.com/x", "git+ssh://"),
        ("thing @ http://example.com/x.zip", "http://"),
        ("git+https://user:secret@example.com/x", "password"),
        ("--extra-index-url https://user:secret@example.com/", "password"),
        ("--index-url http://example.com/", "http://"),
        ("--trusted-host example.com", "not allowed"),
        ("-r ../outside.txt", "not in the repository"),
        ("-r /etc/passwd", "not in the repository"),
        ("-c missing.txt", "not in the repository"),
    ],
)
def test_a_requirement_that_can_not_be_installed(tree: Tree, line: str, detail: str) -> None:
    tree.write("requirements.txt", f"# first\nxlrd\n{line}\n")
    problem = error(tree)
    assert problem.title == "A requirement can't be installed"
    assert problem.path == "requirements.txt:3"
    assert detail in problem.detail


@pytest.mark.parametrize(
    "line",
    [
        "xlrd==1.2.0 ; python_version < '3.12'  # comment",
        "thing @ git+https://github.com/owner/thing@v1#egg=thing",
        "git+https://github.com/owner/thing",
        "https://example.com/thing-1.0.tar.gz",
        "thing[extra]>=1,<2 \\\n    --hash=sha256:abc",
        "--extra-index-url https://pypi.example.com/simple",
        "--no-binary :all:",
    ],
)
def test_a_requirement_that_pip_may_have(tree: Tree, line: str) -> None:
    tree.write("requirements.txt", f"{line}\n")
    assert inspect(tree.root, "18.0").problems == ()


def test_requirements_behind_a_link_are_not_read(tree: Tree) -> None:
    (tree.root / "requirements.txt").symlink_to("/etc/passwd")
    assert inspect(tree.root, "18.0").requirements_files == ()
