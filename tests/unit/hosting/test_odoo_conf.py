from configparser import RawConfigParser
from dataclasses import replace

import pytest

from hosting.odoo import series
from hosting.odoo.conf import Conf, InvalidValue, Purpose, memory_limits, render_conf
from hosting.odoo.floors import GIB, MIB

CONF = Conf(
    purpose=Purpose.SERVE,
    series=series.find("18.0"),
    database="b1a2b3c_i42",
    db_host="10.213.0.1",
    db_port=5441,
    db_user="b1a2b3c_i42",
    db_password="secret1",
    admin_password="secret2",
    addons_path=("/mnt/extra-addons/0", "/mnt/extra-addons/1"),
    memory=2 * GIB,
    workers=3,
    logfile="/var/log/odoo/g7-web.log",
)


def options(conf: Conf) -> dict[str, str]:
    """As Odoo reads its file."""
    parser = RawConfigParser()
    parser.read_string(render_conf(conf))
    assert parser.sections() == ["options"]
    return dict(parser["options"])


def test_where_mails_go_is_named_only_where_there_is_a_catcher() -> None:
    assert "smtp_server" not in options(CONF)
    caught = options(replace(CONF, mail_host="10.213.128.1", mail_port=1025))
    assert (caught["smtp_server"], caught["smtp_port"]) == ("10.213.128.1", "1025")


def test_a_pool_that_serves() -> None:
    assert options(CONF) == {
        "db_host": "10.213.0.1",
        "db_port": "5441",
        "db_user": "b1a2b3c_i42",
        "db_password": "secret1",
        "db_name": "b1a2b3c_i42",
        "dbfilter": "^b1a2b3c_i42$",
        "db_maxconn": "16",
        "db_maxconn_gevent": "16",
        "data_dir": "/var/lib/odoo",
        "addons_path": "/mnt/extra-addons/0,/mnt/extra-addons/1",
        "server_wide_modules": "base,web",
        "admin_passwd": "secret2",
        "list_db": "False",
        "proxy_mode": "True",
        "http_enable": "True",
        "http_interface": "0.0.0.0",
        "http_port": "8069",
        "gevent_port": "8072",
        "workers": "3",
        "max_cron_threads": "0",
        "limit_time_cpu": "600",
        "limit_time_real": "1200",
        "limit_time_real_cron": "970",
        "limit_request": "8192",
        "limit_memory_soft": str(2 * GIB * 4 // 5),
        "limit_memory_hard": str(2 * GIB),
        "logfile": "/var/log/odoo/g7-web.log",
    }


def test_scheduled_actions_have_processes_of_their_own_and_no_port() -> None:
    made = options(replace(CONF, purpose=Purpose.CRON, cron_workers=2, cron_seconds=300))
    assert (made["http_enable"], made["workers"], made["max_cron_threads"]) == ("False", "2", "2")
    assert made["limit_time_real_cron"] == "370"


def test_a_single_run_has_no_workers_and_logs_to_its_output() -> None:
    made = options(replace(CONF, purpose=Purpose.RUN))
    assert (made["http_enable"], made["workers"], made["max_cron_threads"]) == ("False", "0", "0")
    assert "logfile" not in made


def test_jobs_run_where_queue_job_is_loaded_server_wide() -> None:
    assert options(replace(CONF, runs_jobs=True))["server_wide_modules"] == "base,web,queue_job"
    nineteen = replace(CONF, series=series.find("19.0"), runs_jobs=True)
    assert options(nineteen)["server_wide_modules"] == "base,rpc,web,queue_job"


def test_jobs_beside_scheduled_actions_are_asked_for_within_the_container_alone() -> None:
    made = options(replace(CONF, purpose=Purpose.CRON, runs_jobs=True))
    assert (made["http_enable"], made["http_interface"], made["workers"]) == ("True", "127.0.0.1", "2")
    assert (made["max_cron_threads"], made["server_wide_modules"]) == ("1", "base,web,queue_job")


def test_16_does_not_know_a_limit_of_its_own_for_gevent() -> None:
    assert "db_maxconn_gevent" not in options(replace(CONF, series=series.find("16.0")))


def test_without_addons_no_addons_path_is_written() -> None:
    """An empty one would be refused by Odoo."""
    assert "addons_path" not in options(replace(CONF, addons_path=()))


@pytest.mark.parametrize("value", ["", "a\nadmin_passwd = known", "a\rb", " a", "a ", "a\0b", "ä", "a\tb"])
@pytest.mark.parametrize("key", ["db_password", "admin_password", "db_host", "database", "logfile"])
def test_it_refuses_values_that_would_say_something_else(key: str, value: str) -> None:
    if key == "logfile" and not value:
        return
    with pytest.raises(InvalidValue) as raised:
        render_conf(replace(CONF, **{key: value}))  # type: ignore[arg-type]
    assert "known" not in str(raised.value)


def test_a_percent_sign_is_a_percent_sign() -> None:
    assert options(replace(CONF, db_password="50%s%(x)s"))["db_password"] == "50%s%(x)s"


def test_passwords_are_in_no_representation() -> None:
    assert "secret" not in repr(CONF)


@pytest.mark.parametrize(
    ("memory", "hard"),
    [(512 * MIB, GIB), (GIB, GIB), (3 * GIB // 2, 3 * GIB // 2), (2 * GIB, 2 * GIB), (16 * GIB, 2560 * MIB)],
)
def test_memory_limits_fit_the_container(memory: int, hard: int) -> None:
    soft, limit = memory_limits(memory)
    assert limit == hard
    assert soft == hard * 4 // 5
