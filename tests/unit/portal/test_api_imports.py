"""What the API is made of: never of pages. A deed that both do lies in a third module."""

import ast
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def views_of_pages() -> set[str]:
    """The modules whose views `urls.py` of the apps names, with dots."""
    found = set()
    for app in ("projects", "builds"):
        for name in imported(ROOT / app / "urls.py"):
            if (ROOT / f"{name.replace('.', '/')}.py").exists():
                found.add(name)
    return found - {"builds.deliveries"}  # of the Git server, which has no page


def test_no_module_of_the_api_imports_a_page() -> None:
    pages, api = (
        views_of_pages(),
        [file for app in ("portal", "projects", "builds") for file in (ROOT / app / "api").glob("*.py")],
    )
    assert {"builds.domainpages", "projects.memberpages"} <= pages
    assert len(api) > 10

    assert {(file.name, name) for file in api for name in imported(file) if name in pages} == set()
