"""Which backups there will be on a day to come, by the same rule that lets them go."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from builds import backup, nights
from builds.branchframe import branch_context, sidebar
from hosting import backups, retention
from portal import clock
from projects.access import production_or_404
from projects.models import Branch, Project

FURTHEST = timedelta(days=2 * 365)


@require_GET
def future(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access, branch = production_or_404(request, slug, pk)
    today = clock.now().astimezone(ZoneInfo(access.project.time_zone)).date()
    day, wrong = _read(request.GET.get("day", ""), today)
    rows = [(each, each.at.astimezone(ZoneInfo(access.project.time_zone))) for each in on(branch, day)]
    context = branch_context(access, branch, "backups") | sidebar(access, "", branch)
    context |= {
        "title": f"Backups to come · {branch} · {access.project}",
        "day": day,
        "wrong": wrong,
        "today": today,
        "furthest": today + FURTHEST,
        "rows": sorted(rows, key=lambda row: row[1], reverse=True),
        "steps": [(text, today + timedelta(days=days)) for text, days in STEPS],
    }
    return render(request, "builds/branch_future.html", context, status=400 if wrong else 200)


STEPS = (("in a week", 7), ("in a month", 30), ("in three months", 91), ("in a year", 365))


def _read(given: str, today: date) -> tuple[date, str]:
    """The wanted day, and what is wrong with it; a month from now where none is named."""
    month = today + timedelta(days=30)
    try:
        day = date.fromisoformat(given) if given else month
    except ValueError:
        return month, "A day looks like 2027-03-31."
    if not today <= day <= today + FURTHEST:
        return month, f"Choose a day from today to {today + FURTHEST}."
    return day, ""


def on(branch: Branch, day: date) -> list[retention.Taken]:
    """At the end of that day, if every night until then brings a backup that is proven."""
    project = branch.project
    if branch.instance is None or project.vault is None:
        there: list[retention.Taken] = []
    else:
        there = backup.taken(backups.kept(project.vault).filter(instance=branch.instance))
    coming = list(_nights(project, day)) if branch.instance is not None else []
    return retention.future(there, coming, zone=ZoneInfo(project.time_zone))


def _nights(project: Project, day: date) -> Iterator[datetime]:
    night = nights.next_hour(project, clock.now())
    while night.date() <= day:
        yield night
        night = nights.next_hour(project, night)
