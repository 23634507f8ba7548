import pytest

from hosting.odoo import commands, series
from hosting.odoo.commands import InvalidArgument

START = ["odoo", "--config=/etc/odoo/odoo.conf", "--database=d"]
ONCE = ["--no-http", "--workers=0", "--max-cron-threads=0", "--stop-after-init"]


def test_serving_and_scheduled_actions_are_apart() -> None:
    assert commands.serve_argv("d") == [*START, "--max-cron-threads=0"]
    assert commands.cron_argv("d", 2) == [*START, "--no-http", "--max-cron-threads=2"]
    assert commands.cron_argv("d", 2, http=True) == [*START, "--max-cron-threads=2"]


@pytest.mark.parametrize(
    ("name", "demo", "flags"),
    [
        ("16.0", True, []),
        ("16.0", False, ["--without-demo=all"]),
        ("18.0", True, []),
        ("18.0", False, ["--without-demo=all"]),
        ("19.0", True, ["--with-demo"]),
        ("19.0", False, []),
    ],
)
def test_demo_data_is_asked_for_as_each_series_wants_it(name: str, demo: bool, flags: list[str]) -> None:
    argv = commands.install_argv(series.find(name), "d", ["base", "sale"], demo=demo)
    assert argv == [*START, "--init=base,sale", *flags, *ONCE]


def test_tests_are_run_by_their_tags() -> None:
    argv = commands.install_argv(
        series.find("18.0"), "d", ["sale"], demo=True, tests=True, tags="/sale,-slow:TestA.test_b"
    )
    assert argv == [*START, "--init=sale", "--test-enable", "--test-tags=/sale,-slow:TestA.test_b", *ONCE]


def test_all_tests_are_run_without_tags() -> None:
    argv = commands.install_argv(series.find("18.0"), "d", ["sale"], demo=True, tests=True)
    assert argv == [*START, "--init=sale", "--test-enable", *ONCE]


def test_updating_neutralising_and_the_shell() -> None:
    assert commands.update_argv("d", ["sale", "stock"]) == [*START, "--update=sale,stock", *ONCE]
    assert commands.neutralize_argv("d") == ["odoo", "neutralize", *START[1:]]
    assert commands.shell_argv("d") == ["odoo", "shell", *START[1:], "--no-http"]


@pytest.mark.parametrize("names", [[], [""], ["a,b"], ["--config=x"], ["a b"], ["ä"], ["a\n"], ["x" * 121]])
def test_it_refuses_what_is_no_module(names: list[str]) -> None:
    with pytest.raises(InvalidArgument):
        commands.update_argv("d", names)


@pytest.mark.parametrize("tags", ["a\nb", "a;b", "$(x)", "`x`"])
def test_it_refuses_what_are_no_test_tags(tags: str) -> None:
    with pytest.raises(InvalidArgument, match="are not test tags"):
        commands.install_argv(series.find("18.0"), "d", ["sale"], demo=True, tests=True, tags=tags)


def test_it_runs_no_other_series() -> None:
    with pytest.raises(series.UnknownSeries, match=r"16\.0, 17\.0, 18\.0, 19\.0"):
        series.find("saas-18.1")
