"""A person's notifications: what happened, and what to be told of."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal.accounts import person
from projects import notices
from projects.news import Event
from projects.notices import Wish

SHOWN = 50


@require_http_methods(["GET", "POST"])
def notifications(request: HttpRequest) -> HttpResponse:
    user = person(request)
    if request.method == "POST":
        wanted = [Wish(event, f"{event}:portal" in request.POST, f"{event}:mail" in request.POST) for event in Event]
        notices.choose(user=user, wanted=wanted)
        messages.success(request, "Saved.")
        return redirect("notifications")
    context = {"notices": notices.of(user)[:SHOWN], "unread": notices.unread(user), "wishes": notices.wishes(user)}
    return render(request, "projects/notifications.html", context)


@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    notices.mark_read(person(request))
    return redirect("notifications")


@require_GET
def open_notice(request: HttpRequest, pk: int) -> HttpResponse:
    """To the page that it is about; it counts as read from now on."""
    notice = get_object_or_404(notices.of(person(request)), pk=pk)
    notices.mark_read(person(request), pk=pk)
    return redirect(notice.path)
