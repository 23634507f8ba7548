import pytest
from django.core.exceptions import ValidationError

from projects import validators


@pytest.mark.parametrize(
    "tags",
    [
        "/sale",
        "-/sale:TestSlow",
        "standard,-slow",
        "*",
        "post_install,/account/tests/test_move.py:TestMove.test_totals",
        ":TestMove",
        ".test_totals",
        "+at_install,-/web:WebSuite.test_unit[@web/core]",
    ],
)
def test_it_takes_test_tags_as_odoo_writes_them(tags: str) -> None:
    validators.test_tags(tags)


@pytest.mark.parametrize(
    "tags", ["", "-", "a b", "a, b", "a,", ",a", "--stop-after-init", "a\n", "/sale;id", "ä", "a:b:c", "[x]"]
)
def test_it_rejects_what_odoo_would_not_read(tags: str) -> None:
    with pytest.raises(ValidationError, match="as Odoo does"):
        validators.test_tags(tags)


@pytest.mark.parametrize("path", ["/", "/web/login", "/shop/~a/b.c", "/web/image/1-ab%20c", "/..a/b.."])
def test_it_takes_paths_of_the_database(path: str) -> None:
    validators.probe_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "web",
        "http://169.254.169.254/",
        "//evil.example/",
        "/a//b",
        "/web?debug=1",
        "/web#top",
        "/web/../x",
        "/..",
        "/a b",
        "/a\r\nX-Evil: 1",
        "/a\n",
        "/ä",
    ],
)
def test_it_rejects_paths_that_could_mean_something_else(path: str) -> None:
    with pytest.raises(ValidationError, match="begins with a slash"):
        validators.probe_path(path)


@pytest.mark.parametrize("names", [[], ["sale"], ["sale_management", "Hr9", "_x"]])
def test_it_takes_technical_names(names: list[str]) -> None:
    validators.module_names(names)


@pytest.mark.parametrize("names", ["sale", None, ["--init"], ["sale,base"], ["a b"], ["9x"], ["ä"], [1], ["a"] * 501])
def test_it_rejects_what_is_no_list_of_names(names: object) -> None:
    with pytest.raises(ValidationError):
        validators.module_names(names)
