"""Repositories that can't be built, pushed for real: each says why on the build's page, and the next push works."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from tests.fakehub.git import Content, Link, Submodule
from tests.installation import Installation
from tests.portal import Portal

pytestmark = pytest.mark.faults

BRANCH = "bad-input"
MANIFEST = "berth_hello/__manifest__.py"


def manifest(version: str = "18.0.1.0.0", more: str = "") -> str:
    return f'{{"name": "Sorry", "version": "{version}", "depends": ["base"], "license": "LGPL-3"{more}}}\n'


@dataclass(frozen=True)
class Bad:
    """What is pushed on top of the demo's files, and what the page must say."""

    files: Mapping[str, Content]
    says: tuple[str, ...] = field(default=())


ADDONS = ("berth_hello", "berth_library", "queue_job")  # the last one is there where test_jobs.py ran before
NO_ADDONS: dict[str, Content] = {f"{name}/__manifest__.py": None for name in ADDONS}
GITMODULES = '[submodule "gone"]\n\tpath = gone\n\turl = ../nowhere.git\n'
CASES = {
    "without_addons": Bad(NO_ADDONS, ("There are no addons in this repository", "Add at least one Odoo module")),
    "broken_manifest": Bad(
        {MANIFEST: "{'name': 'Sorry',\n 'version' 1}"}, ("A manifest can't be read", f"{MANIFEST}:2")
    ),
    "a_manifest_that_calls": Bad(
        {MANIFEST: "{'name': __import__('os').system('id')}"}, ("A manifest can't be read", "only plain values")
    ),
    "two_series": Bad({MANIFEST: manifest("17.0.1.0.0")}, ("The modules are for several series of Odoo", "1 for 17.0")),
    "syntax_error": Bad(
        {"berth_library/models/library_book.py": "class Book(:\n"},
        ("Syntax error in the module berth_library", "berth_library/models/library_book.py:1"),
    ),
    "requirements_that_do_not_install": Bad(
        {"requirements.txt": "berth-no-such-package-anywhere==99.9\n"},
        ("The image could not be built", "berth-no-such-package-anywhere", "requirements file"),
    ),
    "requirements_from_a_file": Bad(
        {"requirements.txt": "file:///etc/passwd\n"}, ("A requirement can't be installed", "requirements.txt:1")
    ),
    "submodule_that_is_not_there": Bad(
        {".gitmodules": GITMODULES, "gone": Submodule("1" * 40)},
        ("The submodule gone", "can't be fetched", "nowhere.git"),
    ),
    "link_to_the_host": Bad(
        {"berth_hello/shadow": Link("/etc/shadow")}, ("berth_hello/shadow", "leads out of the repository")
    ),
    "link_out_of_the_tree": Bad(
        {"berth_hello/up": Link("../../../etc")}, ("berth_hello/up", "leads out of the repository")
    ),
    "system_packages": Bad(
        {"packages.txt": "libxmlsec1-dev\n"},
        ("System packages can't be installed", "libxmlsec1-dev", "Use a Python package"),
    ),
    "a_program_that_is_not_there": Bad(
        {MANIFEST: manifest(more=', "external_dependencies": {"bin": ["ffmpeg"]}')},
        ("System packages can't be installed", "ffmpeg"),
    ),
    "an_extension": Bad(
        {"berth_hello/data.sql": "CREATE EXTENSION postgis;\n"},
        ("The PostgreSQL extension postgis can't be installed", "ask the operator"),
    ),
    "a_module_that_does_not_install": Bad(
        {"berth_library/views/library_book_views.xml": "<odoo><record/></odoo>"},
        ("The modules could not be installed", "berth_library"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def portal(installation: Installation) -> Iterator[Portal]:
    with Portal(installation) as portal:
        yield portal


@pytest.mark.parametrize("case", CASES)
def test_a_bad_repository_is_refused_with_its_reason(installation: Installation, portal: Portal, case: str) -> None:
    bad = CASES[case]
    good = installation.files(bad.files, BRANCH)
    build = installation.wait_for_build(installation.push(bad.files, f"Push {case}", BRANCH))
    page = portal.build_page(build)
    again = installation.wait_for_build(installation.push(good, f"Take back {case}", BRANCH))
    assert build.result == "failure", build
    assert [words for words in bad.says if words not in page] == []
    assert build.error_remedy in page
    assert again.result == "success", again
    assert installation.settled() == []


def test_failing_tests_are_named_and_the_database_can_be_looked_into(
    installation: Installation, portal: Portal
) -> None:
    path = "berth_library/tests/test_library_book.py"
    original = installation.files([path], BRANCH)
    failing = "\n    def test_that_fails(self):\n        self.assertEqual(1, 2)\n"
    sha = installation.push({path: str(original[path]) + failing}, "Fail a test", BRANCH)
    build = installation.wait_for_build(sha)
    page = portal.build_page(build)
    serving = installation.answer("/web/login", build)
    again = installation.wait_for_build(installation.push(original, "Mend the test", BRANCH))
    assert build.result == "failure", build
    assert build.tests["failed"] == 1
    assert "test_that_fails" in page
    assert "1 != 2" in page
    assert (serving.status, serving.commit) == (200, sha)
    assert again.result == "success", again
