"""The API's calls on a full installation, beside an empty view with the same authentication in the same run.

As bench/portal.py: the rows are written in a transaction that is rolled back at the end, and times are the server's.
"""

import importlib
import os

import django

from deploy.bench import Figure


def main() -> dict[str, Figure]:
    """`worst_p95_ratio` (to the empty view's) and `max_queries`, and the same call by call."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    measuring = importlib.import_module("bench.portal_pages.calls")  # it needs models, so it comes after the setup
    found: dict[str, Figure] = measuring.main()
    return found
