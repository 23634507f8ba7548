"""The portal's pages on a full installation, beside an empty view for a signed-in person in the same run.

200 projects, 2,000 branches and 20,000 builds are written to the portal's database in a transaction that is rolled
back at the end. Times are the server's, from request to response in this process; weights are what a first visit
loads, compressed.
"""

import importlib
import os

import django

from deploy.bench import Figure


def main() -> dict[str, Figure]:
    """`max_queries`, `worst_p95_ratio` (to the empty view's) and `worst_page_kb`, and the same page by page."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    measuring = importlib.import_module("bench.portal_pages.measuring")  # it needs models, so it comes after the setup
    found: dict[str, Figure] = measuring.main()
    return found
