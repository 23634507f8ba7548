"""Pages of a project's outgoing webhooks and of what was sent to them."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts import person
from portal.stories import ProjectError
from projects import outgoing
from projects.access import Access, Tool, project_or_404
from projects.models import Hook, HookDelivery
from projects.news import Event

SHOWN = 50


class HookForm(forms.Form):
    url = forms.CharField(label="Address", max_length=500)
    events = forms.MultipleChoiceField(
        choices=Event.choices, error_messages={"required": "Choose what it is to be told of."}
    )
    active = forms.BooleanField(required=False)


@require_http_methods(["GET", "POST"])
def webhooks(request: HttpRequest, slug: str) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    initial = {"events": [Event.DEPLOY_DONE, Event.DEPLOY_FAILED, Event.BACKUP_FAILED]}
    form = HookForm(request.POST or None, initial=initial)
    if request.method == "POST":
        hook = _save(request, form, Hook(project=access.project), active=True)
        if hook is not None:
            messages.success(request, "Added. Try it, and check the signature with its secret.")
            return redirect("webhook", slug=slug, pk=hook.pk)
    hooks = access.project.hooks.order_by("pk")
    return render(request, "projects/webhooks.html", _context(access, form) | {"hooks": hooks})


@require_http_methods(["GET", "POST"])
def webhook(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access, hook = _hook(request, slug, pk)
    form = HookForm(request.POST or None, initial={"url": hook.url, "events": hook.events, "active": hook.active})
    if request.method == "POST" and _save(request, form, hook, active="active" in request.POST) is not None:
        messages.success(request, "Saved.")
        return redirect("webhook", slug=slug, pk=pk)
    deliveries = hook.deliveries.select_related("asked_by").order_by("-pk")[:SHOWN]
    context = _context(access, form) | {"hook": hook, "deliveries": deliveries, "states": HookDelivery.State}
    return render(request, "projects/webhook.html", context)


@require_POST
def ping(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    _access, hook = _hook(request, slug, pk)
    outgoing.ping(hook=hook, by=person(request))
    messages.info(request, "It is sent now. Its answer stands below in a moment.")
    return redirect("webhook", slug=slug, pk=pk)


@require_POST
def new_secret(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    _access, hook = _hook(request, slug, pk)
    outgoing.new_secret(hook=hook, by=person(request))
    messages.success(request, "From now on deliveries are signed with the new secret.")
    return redirect("webhook", slug=slug, pk=pk)


@require_POST
def remove(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    _access, hook = _hook(request, slug, pk)
    outgoing.remove(hook=hook, by=person(request))
    messages.success(request, "Removed.")
    return redirect("webhooks", slug=slug)


@require_POST
def redeliver(request: HttpRequest, slug: str, pk: int, delivery: int) -> HttpResponse:
    _access, hook = _hook(request, slug, pk)
    outgoing.redeliver(delivery=get_object_or_404(hook.deliveries, pk=delivery), by=person(request))
    messages.info(request, "It is sent again now.")
    return redirect("webhook", slug=slug, pk=pk)


def _save(request: HttpRequest, form: HookForm, hook: Hook, *, active: bool) -> Hook | None:
    """None where something is wrong, which the form says."""
    if not form.is_valid():
        return None
    given = form.cleaned_data
    try:
        return outgoing.save(hook=hook, url=given["url"], events=given["events"], active=active, by=person(request))
    except ProjectError as error:
        form.add_error("url", error.in_words)
        return None


def _context(access: Access, form: HookForm) -> dict[str, Any]:
    chosen = form["events"].value() or []
    events = [(value, label, value in chosen) for value, label in Event.choices]
    return {"access": access, "nav": "settings", "tab": "webhooks", "form": form, "events": events}


def _hook(request: HttpRequest, slug: str, pk: int) -> tuple[Access, Hook]:
    access = project_or_404(request, slug, Tool.SETTINGS)
    return access, get_object_or_404(access.project.hooks.select_related("project"), pk=pk)
