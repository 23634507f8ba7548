"""The live log of a database: a branch's, or that of one build."""

from collections.abc import Iterator
from typing import Any, cast

from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from builds.access import build_or_404
from builds.branchframe import branch_context, sidebar
from hosting import logfiles
from hosting.models import Instance
from portal import numbers
from portal.live import HtmxRequest
from projects.access import Tool, branch_or_404, visitors_welcome

BLOCK = 256 * 1024  # bytes of a download's piece


@never_cache
@require_GET
def branch_log(request: HttpRequest, slug: str, pk: int) -> HttpResponseBase:
    access, branch = branch_or_404(request, slug, pk, Tool.LOGS)
    context = branch_context(access, branch, "logs") | {
        "title": f"Logs · {branch} · {access.project}",
        "log_url": reverse("branch-log", args=[slug, pk]),
    }
    if not cast(HtmxRequest, request).htmx:
        context |= sidebar(access, "", branch)
    return _answer(request, branch.instance, "builds/branch_log.html", context)


@visitors_welcome
@never_cache
@require_GET
def build_log(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    access, build = build_or_404(request, slug, number, Tool.LOGS)
    context = {
        "access": access,
        "nav": "builds",
        "build": build,
        "title": f"Odoo's log · #{build.number} · {access.project}",
        "log_url": reverse("build-log", args=[slug, number]),
    }
    return _answer(request, build.instance, "builds/build_log.html", context)


def _answer(
    request: HttpRequest, instance: Instance | None, template: str, context: dict[str, Any]
) -> HttpResponseBase:
    """The page; entries before or after a cursor; or the file."""
    files = logfiles.files(instance) if instance else []
    serving = [file for file in files if "-cron" not in file.name]  # what people look for first
    name = request.GET.get("file") or next((file.name for file in serving or files), "")
    level = request.GET.get("level", "").upper()
    wanted = logfiles.Wanted(level if level in logfiles.LEVELS else "", request.GET.get("q", ""))
    context |= {"files": files, "file": name, "wanted": wanted, "levels": logfiles.LEVELS}
    if instance is None or not files:
        return render(request, template, context | {"entries": None})
    try:
        if "download" in request.GET:
            return _download(instance, name)
        context |= _read(request, instance, name, wanted)
    except logfiles.NoSuchLog as error:
        raise Http404 from error
    return render(request, f"builds/_log.html#{context['part']}" if context["part"] else template, context)


def _read(request: HttpRequest, instance: Instance, name: str, wanted: logfiles.Wanted) -> dict[str, Any]:
    """What to show, and as which part of the page."""
    before, after, inode = (numbers.parse(request.GET.get(part, "")) for part in ("before", "after", "inode"))
    if after is not None:
        page = logfiles.follow(instance, name, after, inode or 0, wanted)
        return {"log": page, "part": "newer"}
    with logfiles.opened(instance, name) as stream:
        page = logfiles.read_back(stream, before, wanted)
    asked = cast(HtmxRequest, request).htmx.target == "log"
    return {"log": page, "part": "older" if before is not None else "entries" if asked else ""}


def _download(instance: Instance, name: str) -> HttpResponseBase:
    def pieces() -> Iterator[bytes]:
        with logfiles.opened(instance, name) as stream:
            while piece := stream.read(BLOCK):
                yield piece

    with logfiles.opened(instance, name):  # so that a file that can't be read is a 404, not an empty download
        pass
    response = StreamingHttpResponse(pieces(), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
