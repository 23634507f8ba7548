from pathlib import Path

import pytest

from hosting.engines.haproxy.files import closed_to, write_atomically
from hosting.engines.haproxy.render import render_assets


def test_a_file_is_replaced_as_a_whole_and_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "maps" / "routes.map"
    write_atomically(path, "old\n")
    reader = path.open()
    write_atomically(path, "new\n")
    with reader:
        assert reader.read() == "old\n"
    assert path.read_text() == "new\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["routes.map"]


def test_it_names_the_folder_that_a_user_may_not_pass(tmp_path: Path) -> None:
    inner = tmp_path / "closed" / "run"
    inner.mkdir(parents=True)
    for folder in (inner, *inner.parents):
        if folder.is_relative_to(tmp_path):
            folder.chmod(0o755)
    (tmp_path / "closed").chmod(0o700)
    blocked = closed_to("nobody", inner)
    assert blocked is not None
    assert inner.is_relative_to(blocked)
    assert closed_to("root", inner) is None


def test_a_user_may_pass_what_is_open_to_all() -> None:
    assert closed_to("nobody", Path("/usr/share")) is None


PAGES = {name: text for name, text in render_assets().items() if name.startswith("pages/")}
STATUS_LINES = {"HTTP/1.1 503 Service Unavailable", "HTTP/1.1 404 Not Found", "HTTP/1.1 200 OK"}


@pytest.mark.parametrize("text", PAGES.values(), ids=PAGES.keys())
def test_a_page_is_a_whole_answer_that_fits_haproxys_buffer_and_needs_nothing_else(text: str) -> None:
    head, _, body = text.partition("\n\n")
    assert head.partition("\n")[0] in STATUS_LINES
    assert ("retry-after: " in head) == (" 503 " in head)
    assert "cache-control: no-store" in head
    assert '<html lang="en">' in body
    assert "prefers-color-scheme: dark" in body
    assert "://" not in body
    assert "<script" not in body or "script-src 'sha256-" in head
    assert "style=" not in body
    assert len(text.encode()) < 15 * 1024


@pytest.mark.parametrize("name", ["updating", "asleep", "no-answer", "portal-down"])
def test_a_page_about_something_passing_refreshes_by_itself(name: str) -> None:
    assert 'http-equiv="refresh"' in PAGES[f"pages/{name}.http"]


@pytest.mark.parametrize("name", ["stopped", "locked", "nowhere"])
def test_a_page_about_something_lasting_does_not(name: str) -> None:
    assert 'http-equiv="refresh"' not in PAGES[f"pages/{name}.http"]
