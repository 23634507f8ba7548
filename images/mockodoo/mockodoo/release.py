"""Which Odoo series this process stands in for, and in what the series differ."""

import os
from typing import Final

SERIES: Final = os.environ.get("MOCKODOO_SERIES", "18.0")
MAJOR: Final = int(SERIES.partition(".")[0])
VERSION: Final = f"{SERIES}-standin"

DEMO_BY_DEFAULT: Final = MAJOR < 19
"""From 19 on demo data comes only with `--with-demo`."""

CRONS_COUNT_FAILURES: Final = MAJOR >= 18
CRONS_COUNT_CALLS: Final = MAJOR < 18
"""Columns of ir_cron: `failure_count` and `first_failure_date` came, `numbercall` and `doall` went, with 18."""

CRONS_NAME_IDS: Final = MAJOR >= 18
"""The log names a scheduled action by name and id, not by name alone."""

HEALTH_ASKS_DATABASE: Final = MAJOR >= 18
DATABASE_COMMAND: Final = MAJOR >= 18
SERVER_WIDE: Final = "base,rpc,web" if MAJOR >= 19 else "base,web"

FAST: Final = os.environ.get("MOCKODOO_FAST") == "1"
EVENTED_DELAY: Final = 0.2 if FAST else 3.5
"""Seconds by which the evented port comes later than the other: Odoo starts a whole new interpreter for it."""
