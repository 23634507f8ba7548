"""Subscriptions: the tab of a project's settings, and the operator's page of all codes."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts import person
from portal.stories import StoryError
from projects import plans
from projects import subscriptions as codes
from projects.access import Tool, operator_or_404, project_or_404
from projects.models import Project, Subscription
from projects.uses import uses_of


class SubscriptionForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new code. Left empty, Berth makes it."""

    code = forms.CharField(required=False, max_length=60)
    last_day = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))

    class Meta:
        model = Subscription
        fields = ("code", "kind", "holder", "region", "workers", "staging_branches", "storage_gb")
        labels = {"holder": "Given to", "storage_gb": "Storage, GB"}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["kind"] = forms.ChoiceField(choices=Subscription.Kind.choices)
        for each in self.fields.values():
            each.widget.attrs["class"] = "form-select" if isinstance(each.widget, forms.Select) else "form-control"

    def clean_code(self) -> str:
        return codes.tidy(self.cleaned_data["code"]) or codes.new_code()


class EndForm(forms.Form):
    last_day = forms.DateField(required=False)


# --- of a project -----------------------------------------------------------------------------------------------------
@require_http_methods(["GET", "POST"])
def subscription(request: HttpRequest, slug: str) -> HttpResponse:
    """What the project may use and does, and where a code is entered."""
    access = project_or_404(request, slug, Tool.SETTINGS)
    context: dict[str, Any] = {"code": "", "error": None}
    if request.method == "POST":
        context["code"] = request.POST.get("code", "")[:60]
        try:
            entered = codes.enter(project=access.project, code=context["code"], by=person(request))
        except StoryError as error:
            context["error"] = error
        else:
            messages.success(request, f"{access.project} has the subscription {entered}, from now on.")
            return redirect("subscription", slug=slug)
    context |= {"access": access, "nav": "settings", "tab": "subscription", "uses": uses_of(access.project)}
    return render(request, "projects/subscription.html", context)


# --- the operator's ---------------------------------------------------------------------------------------------------
@require_http_methods(["GET", "POST"])
def subscriptions(request: HttpRequest) -> HttpResponse:
    """All codes, and who uses them; a new one by POST."""
    operator = operator_or_404(request)
    form = SubscriptionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        last_day = form.cleaned_data["last_day"]
        form.instance.ends_at = codes.end_of(last_day) if last_day else None
        made = codes.add(form.save(commit=False), by=operator)
        messages.success(request, f"The code {made} can be used from now on.")
        return redirect("subscriptions")
    projects = Project.objects.alive().select_related("subscription").order_by("name")
    context = {
        "title": "Subscriptions",
        "form": form,
        "rows": Subscription.objects.select_related("project").prefetch_related("trials").order_by("-pk"),
        "projects": [(project, plans.plan(project)) for project in projects],
    }
    return render(request, "projects/subscriptions.html", context)


@require_POST
def set_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Another last day of a code: today ends it, a later one renews it, none lets it have no end."""
    operator = operator_or_404(request)
    found, form = get_object_or_404(Subscription, pk=pk), EndForm(request.POST)
    if form.is_valid():
        day = form.cleaned_data["last_day"]
        codes.end(found, at=codes.end_of(day) if day else None, by=operator)
        codes.look_after()
        messages.success(request, f"{found} {f'ends with {day:%d %B %Y}' if day else 'has no end now'}.")
    else:
        messages.error(request, f"{found} was not changed: give its last day as 2027-01-31, or nothing.")
    return redirect("subscriptions")


@require_POST
def unlock(request: HttpRequest, slug: str) -> HttpResponse:
    operator = operator_or_404(request)
    project = get_object_or_404(Project.objects.alive().select_related("subscription"), slug=slug)
    if plans.plan(project).standing == plans.Standing.LOCKED:
        codes.unlock(project, by=operator)
        codes.look_after()
        messages.success(request, f"The databases of {project} open within a minute, for three more months.")
    else:
        messages.info(request, f"The databases of {project} are not locked. Nothing was changed.")
    return redirect("subscriptions")
