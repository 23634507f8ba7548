"""Times, queries and weights of the pages."""

import gzip
import re
import secrets
import statistics
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

from bench.portal_pages.rows import fill
from deploy.bench import Figure
from projects.models import Project
from tests.load import percentile

ROUNDS, WARM_UP = 60, 5
LINKED = re.compile(r'(?:href|src)="(/static/[^"#]+)')


def main() -> dict[str, Figure]:

    with transaction.atomic(), override_settings(ROOT_URLCONF=urls(), ALLOWED_HOSTS=["*"]):
        alice, largest = fill(f"bench-{secrets.token_hex(3)}")
        client = Client()
        client.force_login(alice)
        pages = addresses(largest)
        times = measure(client, pages)
        found = figures(client, pages, times)
        transaction.set_rollback(True)
    return found


def urls() -> tuple[Any, ...]:
    """The portal's own, and an empty view behind the same middleware."""

    def empty(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"{request.user.pk}")

    return (path("bench-empty/", empty), path("", include("portal.urls")))


def addresses(project: Project) -> dict[str, str]:
    branch = project.branches.get(name="main")
    newest = branch.builds.latest("pk").number
    home = f"/{project.slug}"
    return {
        "projects": "/",
        "new_project": "/new/",
        "branch": f"{home}/branches/{branch.pk}/",
        "branch_log": f"{home}/branches/{branch.pk}/logs/",
        "builds": f"{home}/builds/",
        "build": f"{home}/builds/{newest}/",
        "settings": f"{home}/settings/",
    }


def measure(client: Client, pages: dict[str, str]) -> dict[str, list[float]]:
    """Milliseconds of each page, and of the empty view. In turns, so that a busy moment hits all of them."""
    all_of_them = {"empty": "/bench-empty/", **pages}
    times: dict[str, list[float]] = {name: [] for name in all_of_them}
    for round_ in range(WARM_UP + ROUNDS):
        for name, url in all_of_them.items():
            began = time.perf_counter()
            status = client.get(url).status_code
            if status != 200:
                raise RuntimeError(f"{url} answered {status}")
            if round_ >= WARM_UP:
                times[name].append((time.perf_counter() - began) * 1000)
    return {name: sorted(values) for name, values in times.items()}


def figures(client: Client, pages: dict[str, str], times: dict[str, list[float]]) -> dict[str, Figure]:
    empty_p95 = percentile(times["empty"], 95)
    found: dict[str, Figure] = {
        "empty_median_ms": round(statistics.median(times["empty"]), 2),
        "empty_p95_ms": round(empty_p95, 2),
    }
    for name, url in pages.items():
        queries, weight = weigh(client, url)
        found |= {
            f"{name}_queries": queries,
            f"{name}_median_ms": round(statistics.median(times[name]), 2),
            f"{name}_p95_ms": round(percentile(times[name], 95), 2),
            f"{name}_kb": round(weight / 1000, 1),
        }
    return found | {
        "max_queries": max(int(found[f"{name}_queries"]) for name in pages),
        "worst_p95_ratio": round(max(percentile(times[name], 95) for name in pages) / empty_p95, 2),
        "worst_page_kb": max(float(found[f"{name}_kb"]) for name in pages),
    }


def weigh(client: Client, url: str) -> tuple[int, int]:
    """The page's queries, and the compressed bytes of the page with all that it links to."""

    with CaptureQueriesContext(connection) as queries:
        page = client.get(url).content
    linked = set(LINKED.findall(page.decode()))
    return len(queries), len(gzip.compress(page, 6)) + sum(static_size(each) for each in linked)


def static_size(url: str) -> int:
    """Compressed bytes of a static file, by its name in the page: with or without a hash in it."""

    name = url.removeprefix(settings.STATIC_URL)
    place = finders.find(name) or finders.find(re.sub(r"\.[0-9a-f]{12}(?=\.\w+$)", "", name))
    if place is None:
        raise RuntimeError(f"{url} is linked to and can't be found")
    return len(gzip.compress(Path(str(place)).read_bytes(), 6))
