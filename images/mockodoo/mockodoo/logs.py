"""Odoo's log format, exactly: `2026-11-21 20:56:29,859 11 INFO dbname odoo.modules.loading: message `."""

import logging
import os
import sys
import threading
from logging.handlers import WatchedFileHandler

from .options import config

_here = threading.local()


def set_database(name: str | None) -> None:
    """Name the database that this thread works on in its log lines; `?` when there is none."""
    _here.database = name or "?"


def count_query(seconds: float) -> None:
    _here.queries = getattr(_here, "queries", 0) + 1
    _here.query_seconds = getattr(_here, "query_seconds", 0.0) + seconds


def reset_counters() -> None:
    _here.queries, _here.query_seconds = 0, 0.0


def queries() -> int:
    return int(getattr(_here, "queries", 0))


def performance(seconds: float) -> str:
    """`12 0.010 0.031`: queries, seconds in PostgreSQL, seconds elsewhere."""
    sql = float(getattr(_here, "query_seconds", 0.0))
    return f"{queries()} {sql:.3f} {max(0.0, seconds - sql):.3f}"


class _Context(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.pid = os.getpid()
        record.dbname = getattr(_here, "database", "?")
        if not hasattr(record, "perf_info"):
            record.perf_info = ""
        return True


def initialise() -> None:
    """Send log lines to stderr, or to the `logfile` of the settings (which may be rotated under us)."""
    path = config["logfile"]
    if path:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    handler: logging.Handler = WatchedFileHandler(path) if path else logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(pid)s %(levelname)s %(dbname)s %(name)s: %(message)s %(perf_info)s")
    )
    handler.addFilter(_Context())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    levels = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "test": logging.INFO}
    root.setLevel(levels.get(config["log_level"], getattr(logging, config["log_level"].upper(), logging.INFO)))
