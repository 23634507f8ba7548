"""The page of a project's deploy keys, by which builds fetch private submodules."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts import person
from portal.stories import ProjectError
from projects import deploykeys
from projects.access import Access, Tool, project_or_404
from projects.keypairs import fingerprint, host_fingerprints
from projects.models import DeployKey


class KeyForm(forms.Form):
    url = forms.CharField(label="SSH address", max_length=500)
    kind = forms.ChoiceField(choices=DeployKey.Kind.choices, initial=DeployKey.Kind.ED25519)


@require_http_methods(["GET", "POST"])
def submodules(request: HttpRequest, slug: str) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    form = KeyForm(request.POST or None, initial={"url": request.GET.get("url", "")})
    if request.method == "POST" and form.is_valid():
        kind = DeployKey.Kind(form.cleaned_data["kind"])
        try:
            key = deploykeys.add(project=access.project, url=form.cleaned_data["url"], kind=kind, by=person(request))
        except ProjectError as error:
            form.add_error("url", error.in_words)
        else:
            messages.success(request, "The key is made. Install its public half where the submodule lies.")
            return _back(key)
    return render(request, "projects/submodules.html", _context(request, access, form))


@require_POST
def install(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    key = _key(request, slug, pk)
    try:
        left = deploykeys.install(key=key, by=person(request))
    except ProjectError as error:
        messages.error(request, error.in_words)
    else:
        _tell(request, "Installed, for reading alone.", left)
    return _back(key)


@require_POST
def rotate(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    key = _key(request, slug, pk)
    left = deploykeys.renew(key=key, by=person(request))
    _tell(request, "There is a new key." if left else "There is a new key, and it is installed.", left)
    return _back(key)


@require_POST
def forget_host(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    key = _key(request, slug, pk)
    deploykeys.forget_host(key=key, by=person(request))
    messages.success(request, "Forgotten. The server's key is pinned anew at the next use.")
    return _back(key)


@require_POST
def remove(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    left = deploykeys.remove(key=_key(request, slug, pk), by=person(request))
    _tell(request, "Berth has forgotten the key." if left else "Removed.", left)
    return redirect("submodules", slug=slug)


def _tell(request: HttpRequest, done: str, left: str) -> None:
    """What was done; as a warning where something is left to do."""
    messages.add_message(request, messages.WARNING if left else messages.SUCCESS, f"{done} {left}".strip())


def _context(request: HttpRequest, access: Access, form: KeyForm) -> dict[str, object]:
    keys = access.project.deploy_keys.order_by("url")
    may_install = bool(person(request).github_token)
    rows = [
        {
            "key": key,
            "fingerprint": fingerprint(key.public),
            "hosts": host_fingerprints(key.known_hosts),
            "installable": may_install and not key.provider_key and deploykeys.is_at_provider(key),
        }
        for key in keys
    ]
    return {"access": access, "nav": "settings", "tab": "submodules", "form": form, "keys": rows}


def _key(request: HttpRequest, slug: str, pk: int) -> DeployKey:
    access = project_or_404(request, slug, Tool.SETTINGS)
    return get_object_or_404(access.project.deploy_keys.select_related("project"), pk=pk)


def _back(key: DeployKey) -> HttpResponse:
    return redirect(f"/{key.project.slug}/settings/submodules/#key-{key.pk}")
