"""The page of what was switched off on a copy of production."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from builds.access import build_or_404
from builds.models import Build
from hosting.neutralising import Report
from projects.access import Tool, visitors_welcome


@visitors_welcome
@require_GET
def neutralised(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    access, build = build_or_404(request, slug, number, Tool.LOGS)
    context = {"access": access, "nav": "builds", "build": build, "report": report(build)}
    return render(request, "builds/neutralised.html", context)


def report(build: Build) -> Report:
    return Report.of(build.instance.neutralised if build.instance else {})
