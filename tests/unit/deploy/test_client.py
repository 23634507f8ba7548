"""bin/berth as a client: where it sends a token, what it tells, and how it ends."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy import asking, caller, client, domaincommand, following, projectcommand
from deploy.caller import Account, Api, Refused


@pytest.mark.parametrize("url", ["http://berth.example.com", "ftp://berth.example.com", "https://me@berth.example.com"])
def test_a_token_goes_nowhere_where_others_could_read_it(url: str) -> None:
    with pytest.raises(Refused):
        caller.checked(url)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("berth.example.com", "https://berth.example.com"),
        ("https://berth.example.com/demo/", "https://berth.example.com"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
    ],
)
def test_an_address_is_the_portals(given: str, url: str) -> None:
    assert caller.checked(given) == url


def test_the_account_is_readable_by_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("BERTH_TOKEN", raising=False)
    account = Account("https://berth.example.com", "berth_x")

    file = caller.remember(account)

    assert file.stat().st_mode & 0o777 == 0o600
    assert caller.remembered() == account


def test_ci_gives_its_account_by_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("BERTH_URL", "https://ci.example.com")
    monkeypatch.setenv("BERTH_TOKEN", "berth_ci")

    assert caller.remembered() == Account("https://ci.example.com", "berth_ci")


def test_nobody_is_logged_in_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("BERTH_TOKEN", raising=False)

    assert client.main(["projects"]) == 1


class Answers(Api):
    """An API that answers what it was given, the last for good."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(Account("https://berth.example.com", "berth_x"))
        self.answers = list(answers)

    def get(self, path: str, **query: Any) -> Any:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


OPERATION = {
    "state": "done",
    "result": "success",
    "confirmed": True,
    "finding": "#7 serves.",
    "error": None,
    "steps": [],
}


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        ({}, 0),
        ({"result": "warning"}, 0),
        ({"confirmed": False}, 1),  # whatever its story says
        ({"result": "failure"}, 1),
        ({"result": "cancelled", "confirmed": False}, 1),
    ],
)
def test_it_ends_well_only_where_the_end_is_confirmed(ended: dict[str, Any], code: int) -> None:
    assert following.follow(Answers(OPERATION | ended), "demo", 7) == code


def test_a_failure_is_told_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    error = {"title": "It did not build", "detail": "requirements.txt names nothing.", "remedy": "Mend it."}

    following.follow(
        Answers(OPERATION | {"result": "failure", "error": error, "finding": "#7 never served."}), "demo", 7
    )

    told = capsys.readouterr().out
    assert all(part in told for part in (*error.values(), "#7 never served."))


def test_a_refused_dry_run_says_why_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    told = {"would": [], "lost": [], "stays": [], "refused": "It serves already."}

    assert asking.foretell(told) == 1
    assert "It serves already." in capsys.readouterr().out


def test_bin_berth_sends_its_commands_to_the_client() -> None:
    script = (Path(__file__).parents[3] / "bin" / "berth").read_text()

    assert " | ".join(client.COMMANDS) in script


class Portal(Answers):
    """One that notes what is written to it. Lists are its `rows`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Any, rows: Any = ()) -> None:
        super().__init__(*answers)
        self.listed, self.written = list(rows), list[tuple[Any, ...]]()
        for module in (client, domaincommand, projectcommand):
            monkeypatch.setattr(module, "api", lambda: self)

    def rows(self, path: str, most: int, **query: Any) -> Iterator[Any]:
        return iter(self.listed)

    def write(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        self.written.append((method, path, body, *query))
        return self.answers[-1]


MAIN = {"results": [{"id": 3, "name": "main"}], "next": None}
CLAIMED = {
    "id": 5,
    "name": "www.example.com",
    "cname": "demo.example.net",
    "text_name": "_berth.www.example.com",
    "text": "berth-verification=x",
    "parked": False,
    "proven_at": None,
    "checked_at": None,
    "found": {},
    "certificate": None,
}
CHECKED = CLAIMED | {"checked_at": "2026-11-22T10:00:00Z", "found": {"cnames": ["else.example.com"], "here": False}}
PROVEN = CHECKED | {"proven_at": "2026-11-22T10:00:00Z", "found": {"cnames": ["demo.example.net"], "here": True}}
DOMAINS = "projects/demo/branches/3/domains/"


def test_a_domain_that_is_added_comes_with_what_dns_has_to_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    portal = Portal(monkeypatch, MAIN, CLAIMED)

    assert client.main(["domain", "add", "demo", "www.example.com"]) == 0

    assert portal.written == [("POST", DOMAINS, {"name": "www.example.com"})]
    told = capsys.readouterr().out
    assert "CNAME demo.example.net" in told
    assert "_berth.www.example.com TXT berth-verification=x" in told


@pytest.mark.parametrize(("answer", "code", "told"), [(PROVEN, 0, "leads here"), (CHECKED, 1, "waits for DNS")])
def test_a_check_waits_for_dns_and_ends_well_only_where_the_name_leads_here(
    answer: dict[str, Any],
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(domaincommand, "POLL", 0)
    portal = Portal(monkeypatch, MAIN, CLAIMED, answer, rows=[CLAIMED])

    assert client.main(["domain", "check", "demo", "WWW.example.com."]) == code

    assert portal.written == [("POST", f"{DOMAINS}5/check/", None)]
    assert told in capsys.readouterr().out


def test_a_domain_is_listed_and_removed_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    portal = Portal(monkeypatch, MAIN, rows=[PROVEN])

    assert client.main(["domain", "list", "demo", "--branch", "main"]) == 0
    assert client.main(["domain", "remove", "demo", "other.example.com"]) == 1
    assert portal.written == []
    assert client.main(["domain", "remove", "demo", "www.example.com"]) == 0

    assert portal.written == [("DELETE", f"{DOMAINS}5/", None)]
    shown = capsys.readouterr()
    assert "leads here" in shown.out
    assert "no domain other.example.com" in shown.err


def test_a_removal_is_foretold_and_not_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"would": ["It goes."], "lost": ["Its certificate."], "stays": [], "refused": ""}
    portal = Portal(monkeypatch, MAIN, told, rows=[PROVEN])

    assert client.main(["domain", "remove", "demo", "www.example.com", "--dry-run"]) == 0

    assert portal.written == [("DELETE", f"{DOMAINS}5/", None, "dry_run")]
    assert "Its certificate." in capsys.readouterr().out


MADE = {"project": {"slug": "shop"}, "operation": 7}
TOLD = {"would": ["It closes."], "lost": ["All."], "stays": [], "refused": "", "days_left": 30}


def test_a_project_is_made_and_its_first_deploy_followed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    portal = Portal(monkeypatch, OPERATION, MADE)

    assert client.main(["project", "make", "acme/shop", "shop", "--series", "18.0"]) == 0

    assert portal.written == [
        ("POST", "projects/", {"repository": "acme/shop", "slug": "shop", "series": "18.0"}),
    ]
    assert "#7 serves." in capsys.readouterr().out


@pytest.mark.parametrize(("typed", "code"), [("shop\n", 0), ("yes\n", 1), ("", 1)])
def test_a_project_is_deleted_only_where_its_address_was_typed(
    typed: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    portal = Portal(monkeypatch, TOLD)
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))

    assert client.main(["project", "delete", "shop"]) == code

    path = "projects/shop/delete/"
    done = [("POST", path, {"confirm": "shop"})] if code == 0 else []
    assert portal.written == [("POST", path, None, "dry_run"), *done]
    assert "It closes." in capsys.readouterr().out


def test_a_deletion_is_undone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    portal = Portal(monkeypatch, MADE | {"operation": None})

    assert client.main(["project", "undo", "shop"]) == 0

    assert portal.written == [("POST", "deleted-projects/shop/undo/", None)]
    assert "is there again" in capsys.readouterr().out
