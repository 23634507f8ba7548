"""Which front-end files are served, and when they are fetched again."""

from pathlib import Path

import pytest

from deploy import frontend


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    for name in frontend.FILES:
        file = tmp_path / "node_modules" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"/* kept */\n//# sourceMappingURL=x.map\n/*# sourceMappingURL=x.css.map */")
    return tmp_path / "node_modules"


def test_only_the_needed_files_are_copied(modules: Path, tmp_path: Path) -> None:
    frontend.copy(frontend.FILES, modules, tmp_path / "vendor")
    copied = {str(file.relative_to(tmp_path / "vendor")) for file in (tmp_path / "vendor").rglob("*") if file.is_file()}
    assert copied == set(frontend.FILES.values())


def test_no_file_names_a_source_map_that_is_not_served(modules: Path, tmp_path: Path) -> None:
    frontend.copy(frontend.FILES, modules, tmp_path / "vendor")
    for name in ("bootstrap.min.css", "htmx.min.js"):
        content = (tmp_path / "vendor" / name).read_text()
        assert "sourceMappingURL" not in content
        assert "/* kept */" in content


def test_swagger_ui_is_where_its_package_has_it() -> None:
    assert all((frontend.sidecar() / name).is_file() for name in frontend.OF_SIDECAR)


def test_nothing_is_fetched_while_the_lock_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "package-lock.json").write_text("{}")
    (tmp_path / "static" / "vendor").mkdir(parents=True)
    (tmp_path / "static" / "vendor" / ".stamp").write_text(frontend.fingerprint(tmp_path / "package-lock.json"))
    assert frontend.ensure(tmp_path) is False


def test_the_lock_names_no_registry() -> None:
    lock = Path(__file__).parents[3] / "package-lock.json"
    assert '"resolved"' not in lock.read_text()
