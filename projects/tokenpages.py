"""A person's API tokens: listed, made and shown once, revoked."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from portal import apitokens as tokens
from portal.accounts import person
from portal.models import Scope
from portal.stories import StoryError
from projects import apitokens
from projects.access import visible_projects
from projects.models import Project

DAYS = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "It doesn't expire"))

SCOPES = (
    (Scope.READ, "Read", "Builds, logs, backups: whatever you may see."),
    (Scope.DEPLOY, "Read and deploy", "Build, cancel, roll back, wake, back up."),
    (Scope.ADMIN, "Everything that you may", "Settings, members, restores, moves between stages, tokens."),
)


class TokenForm(forms.Form):
    name = forms.CharField(max_length=100, error_messages={"required": "Say what it is for."})
    scope = forms.ChoiceField(choices=Scope.choices, initial=Scope.READ)
    project = forms.ModelChoiceField(Project.objects.none(), required=False, empty_label="All that I am a member of")
    days = forms.TypedChoiceField(choices=DAYS, required=False, coerce=int, empty_value=None, initial="90")

    def __init__(self, data: Any, *, request: HttpRequest) -> None:
        super().__init__(data)
        cast(forms.ModelChoiceField, self.fields["project"]).queryset = visible_projects(request).order_by("name")  # type: ignore[type-arg]
        for each in self.fields.values():
            chosen = isinstance(each.widget, forms.Select)
            each.widget.attrs["class"] = "form-select" if chosen else "form-control"


@never_cache
@require_http_methods(["GET", "POST"])
def own_tokens(request: HttpRequest) -> HttpResponse:
    """The answer to the form shows the new token: it is stored nowhere, so no other page could."""
    user, form = person(request), TokenForm(request.POST or None, request=request)
    context: dict[str, Any] = {"title": "API tokens", "form": form, "scopes": SCOPES}
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        try:
            context["made"], context["plain"] = apitokens.make(
                user=user,
                name=wanted["name"],
                scope=Scope(wanted["scope"]),
                project=wanted["project"],
                days=wanted["days"],
            )
            context["form"] = TokenForm(None, request=request)
        except StoryError as error:
            form.add_error(None, error.in_words)
    context["tokens"] = apitokens.of(user)
    return render(request, "projects/tokens.html", context)


@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    user = person(request)
    found = get_object_or_404(apitokens.of(user), pk=pk)
    tokens.revoke(token=found, by=user)
    messages.success(request, f"{found.name} was revoked: nobody can use it any more.")
    return redirect("tokens")
