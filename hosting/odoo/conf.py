"""Writes `odoo.conf`. Whatever is secret stands here, in a file that only its container reads, and never in argv."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hosting.odoo.floors import GIB, MIB
from hosting.odoo.series import Series

DATA_DIR = "/var/lib/odoo"
HTTP_PORT = 8069
GEVENT_PORT = 8072

CPU_SECONDS = 600
REAL_SECONDS = 1200
REQUESTS_PER_WORKER = 8192

CRON_SLEEP = 70
"""Seconds added to `limit_time_real_cron`, which also counts the worker's sleep of 60 to 69 s (docs/odoo-image.md)."""


class Purpose(StrEnum):
    SERVE = "serve"
    """Answers requests; runs no scheduled actions."""
    CRON = "cron"
    """Runs scheduled actions, and jobs of queue_job; answers nobody but itself."""
    RUN = "run"
    """One command, such as an update: no workers, and its log is its output."""


class InvalidValue(ValueError):
    """A value that would say something else in `odoo.conf` than was meant."""


@dataclass(frozen=True)
class Conf:
    """All that differs between two `odoo.conf`. `memory` is the container's, in bytes."""

    purpose: Purpose
    series: Series
    database: str
    db_host: str
    db_port: int
    db_user: str
    db_password: str = field(repr=False)
    admin_password: str = field(repr=False)
    addons_path: tuple[str, ...]
    memory: int
    workers: int = 2
    cron_workers: int = 1
    cron_seconds: int = 900
    """How long one scheduled action may take."""
    connections: int = 16
    """Connections to PostgreSQL that each process may open."""
    runs_jobs: bool = False
    """Whether queue_job's runner lives here: it does wherever that is loaded server-wide."""
    mail_host: str = ""
    """Where all mails go that no mail server of the database's own takes; "" leaves that to Odoo."""
    mail_port: int = 25
    logfile: str = ""
    """Path inside the container; "" (always for RUN) logs to standard error."""


def render_conf(conf: Conf) -> str:
    """The text of `odoo.conf`. Raises InvalidValue."""
    lines = [f"{key} = {_checked(key, value)}" for key, value in _options(conf).items()]
    return "\n".join(["[options]", *lines, ""])


def memory_limits(memory: int) -> tuple[int, int]:
    """Soft and hard limit of one Odoo process, in bytes, that fit a container with so much memory.

    Odoo measures *virtual* memory, of which an idle process has some 400 MB, so a limit below 1 GB would stop workers
    that do nothing; above 2.5 GB, Odoo's own default, a single worker has a leak.
    """
    hard = min(max(memory, GIB), 2560 * MIB)
    return hard * 4 // 5, hard


def _options(conf: Conf) -> Mapping[str, object]:
    soft, hard = memory_limits(conf.memory)
    return {
        **_database(conf),
        "data_dir": DATA_DIR,
        **({"addons_path": ",".join(conf.addons_path)} if conf.addons_path else {}),
        "server_wide_modules": ",".join(_server_wide(conf)),
        "admin_passwd": conf.admin_password,
        "list_db": False,
        "proxy_mode": True,
        **_processes(conf),
        "limit_time_cpu": CPU_SECONDS,
        "limit_time_real": REAL_SECONDS,
        "limit_time_real_cron": conf.cron_seconds + CRON_SLEEP,
        "limit_request": REQUESTS_PER_WORKER,
        "limit_memory_soft": soft,
        "limit_memory_hard": hard,
        **({"smtp_server": conf.mail_host, "smtp_port": conf.mail_port} if conf.mail_host else {}),
        **({"logfile": conf.logfile} if conf.logfile and conf.purpose is not Purpose.RUN else {}),
    }


def _database(conf: Conf) -> Mapping[str, object]:
    return {
        "db_host": conf.db_host,
        "db_port": conf.db_port,
        "db_user": conf.db_user,
        "db_password": conf.db_password,
        "db_name": conf.database,
        "dbfilter": f"^{re.escape(conf.database)}$",
        "db_maxconn": conf.connections,
        **({"db_maxconn_gevent": conf.connections} if conf.series.limits_connections_of_gevent else {}),
    }


def _processes(conf: Conf) -> Mapping[str, object]:
    """For cron, "workers" above 0 make Odoo run each action in a process, with limits; with http off there are none.
    They are two because Odoo logs a warning about PDF for fewer. With http on, for jobs, one works and the other
    answers what the job asks its own server for, such as the assets of a PDF; nobody outside the container is heard.
    """
    workers = {Purpose.SERVE: conf.workers, Purpose.CRON: 2, Purpose.RUN: 0}[conf.purpose]
    serves = conf.purpose is Purpose.SERVE
    return {
        "http_enable": serves or conf.runs_jobs,
        "http_interface": "0.0.0.0" if serves else "127.0.0.1",
        "http_port": HTTP_PORT,
        conf.series.gevent_port_option: GEVENT_PORT,
        "workers": workers,
        "max_cron_threads": conf.cron_workers if conf.purpose is Purpose.CRON else 0,
    }


def _server_wide(conf: Conf) -> tuple[str, ...]:
    return (*conf.series.server_wide_modules, "queue_job") if conf.runs_jobs else conf.series.server_wide_modules


def _checked(key: str, value: object) -> str:
    """A line break would begin another option; spaces at the ends and other control characters would be lost."""
    text = str(value)
    if not re.fullmatch(r"[!-~]+(?: [!-~]+)*", text):
        raise InvalidValue(f"The value of {key} in odoo.conf is empty, or has a character that can't stand there.")
    return text
