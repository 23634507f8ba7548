"""bin/berth as a client: where it sends a token, what it tells, and how it ends."""

from pathlib import Path
from typing import Any

import pytest

from deploy import caller, client, following
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

    assert client.foretell(told) == 1
    assert "It serves already." in capsys.readouterr().out


def test_bin_berth_sends_its_commands_to_the_client() -> None:
    script = (Path(__file__).parents[3] / "bin" / "berth").read_text()

    assert " | ".join(client.COMMANDS) in script
