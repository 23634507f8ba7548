import shlex
from types import SimpleNamespace

from projects.gitcommands import commands, settle
from tests import cast


def texts(name: str, people: SimpleNamespace) -> dict[str, str]:
    branch = cast.branch(cast.project("demo", people), name)
    return {command.label: command.text for command in commands(branch, base="main")}


def test_a_branch_gets_its_commands(people: SimpleNamespace) -> None:
    found = texts("fix", people)

    assert found["Clone"] == "git clone --recurse-submodules --branch fix https://github.com/acme/demo.git"
    assert found["Delete"] == "git push origin --delete fix"
    assert found["Merge"].startswith("git checkout main && ")


def test_the_branch_that_others_are_merged_into_offers_neither_merge_nor_delete(people: SimpleNamespace) -> None:
    assert set(texts("main", people)) == {"Clone", "Fork", "Submodule"}


def test_a_branch_name_can_not_run_anything_when_it_is_pasted(people: SimpleNamespace) -> None:
    name = "x;$(reboot)`id`'\" y"

    for label in ("Clone", "Merge", "Delete"):
        assert name in shlex.split(texts(name, people)[label].replace("&&", " ; "))
        people = cast_again(people)


def cast_again(people: SimpleNamespace) -> SimpleNamespace:
    """A project's slug is taken once: free it for the next round."""
    people.alice.memberships.get().project.delete()
    return people


def test_a_conflict_is_settled_by_commands_that_run_nothing_else() -> None:
    begin, end = settle("x;$(reboot)", "main`id`")

    words = shlex.split(begin.text)
    assert ("x;$(reboot)" in words, "origin/main`id`" in words) == (True, True)
    assert end.text.endswith("git push")
