"""Pages with a part that keeps itself up to date: one view answers the page, and its live part to a poll."""

import hashlib
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.cache import add_never_cache_headers
from django.utils.safestring import mark_safe
from django_htmx.middleware import HtmxDetails

LIVE = "live"  # the id of the part, and the name of its partial


class HtmxRequest(HttpRequest):
    htmx: HtmxDetails


def respond(
    request: HttpRequest, template: str, context: dict[str, Any], *, every: int | None, also: str = ""
) -> HttpResponse:
    """Render `template`, whose partial `live` is polled `every` so many seconds (None: not at all).

    A poll gets the partial alone, and 204 where that is what the page shows already: nothing moves then. So the
    partial must not hold what differs each time, like a CSRF token. `also` names a partial that a poll gets besides,
    for parts elsewhere in the page (hx-swap-oob).
    """
    parts = [render_to_string(f"{template}#{name}", context, request) for name in (LIVE, also) if name]
    query = request.GET.copy()
    for name in ("seen", "steps"):  # what a poll adds
        query.pop(name, None)
    context = (
        context
        | {
            "live": mark_safe(parts[0]),  # rendered by a template
            "live_digest": hashlib.blake2s("".join(parts).encode(), digest_size=8).hexdigest(),
            "live_every": every,
            "live_query": query.urlencode(),
            "also": mark_safe("".join(parts[1:])),
        }
    )
    if not is_poll(request):
        response = render(request, template, context)
    elif request.GET.get("seen") == context["live_digest"]:
        response = HttpResponse(status=204)
    else:
        response = render(request, "_components/live.html", context | {"polled": True})
    add_never_cache_headers(response)  # "back" must show neither how it stood before nor the part without its page
    return response


def is_poll(request: HttpRequest) -> bool:
    return cast(HtmxRequest, request).htmx.target == LIVE
