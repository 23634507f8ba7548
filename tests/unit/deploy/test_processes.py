"""supervisord's configuration, read back by the parser that supervisord uses."""

import configparser
from pathlib import Path

import pytest
from django.conf import settings

from deploy.environment import fresh
from deploy.processes import WORKERS, Program, programs, render, version

HOME = Path("/srv/be%rth")
USER = "berth-c0ffee"


@pytest.fixture
def sections() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(render(HOME, programs(HOME, fresh([]), USER)))
    return parser


def test_it_runs_two_web_processes_two_workers_and_the_rest(sections: configparser.ConfigParser) -> None:
    names = {name.removeprefix("program:") for name in sections.sections() if name.startswith("program:")}
    assert names == {"web-1", "web-2", "agent", "fakehub", "worker-urgent", "worker"}


def test_the_web_processes_alone_are_not_root_and_read_settings_of_their_own(
    sections: configparser.ConfigParser,
) -> None:
    users = {name: section["user"] for name, section in sections.items() if name.startswith("program:")}
    assert {name for name, user in users.items() if user == USER} == {"program:web-1", "program:web-2"}
    assert {user for user in users.values() if user != USER} == {"root"}
    assert 'BERTH_ENV_FILE="web.env"' in sections["program:web-1"]["environment"]
    assert "BERTH_ENV_FILE" not in sections["program:worker"]["environment"]


def test_supervisorctl_finds_the_socket_that_supervisord_opens(sections: configparser.ConfigParser) -> None:
    assert sections["supervisorctl"]["serverurl"] == "unix://" + sections["unix_http_server"]["file"]


def test_without_a_demo_there_is_no_stand_in_for_github() -> None:
    names = [program.name for program in programs(HOME, fresh([]) | {"BERTH_DEMO": "off"}, USER)]
    assert "fakehub" not in names
    assert "web-1" in names


def test_a_percent_sign_in_a_path_is_no_expansion(sections: configparser.ConfigParser) -> None:
    assert sections["program:agent"]["stdout_logfile"] == "/srv/be%rth/log/agent.log"
    assert '"/srv/be%rth/web/web-1.sock"' in sections["program:web-1"]["command"]


def test_each_queue_has_its_worker_which_may_finish_its_step(sections: configparser.ConfigParser) -> None:
    assert sorted(queue for queues in WORKERS.values() for queue in queues) == sorted(settings.BERTH_WORKERS)
    worker = sections["program:worker"]
    assert worker["command"].endswith('manage.py" "worker" "deploy" "background" "rounds" "outside"')
    assert worker["stopasgroup"] == "false"
    assert int(worker["stopwaitsecs"]) >= 60


def test_no_secret_is_in_the_configuration() -> None:
    values = fresh([])
    text = render(HOME, programs(HOME, values, USER))
    assert not [name for name in ("BERTH_SECRET_KEY", "BERTH_OPERATOR_PASSWORD") if values[name] in text]


def test_words_with_spaces_and_quotes_stay_one_word() -> None:
    text = render(Path("/h"), [Program("x", ("/a b/c", 'say "hi"'))])
    assert r'command="/a b/c" "say \"hi\""' in text


def test_the_version_changes_with_code_settings_and_lock(tmp_path: Path) -> None:
    checkout, home = tmp_path / "checkout", tmp_path / "home"
    for folder in (checkout / "portal", home):
        folder.mkdir(parents=True)
    seen = {version(home, checkout)}
    for file in (checkout / "portal" / "views.py", checkout / "requirements.lock", home / ".env"):
        file.write_text("1")
        seen.add(version(home, checkout))
    (checkout / "portal" / "notes.txt").write_text("no code")
    assert len(seen) == 4
    assert version(home, checkout) in seen
