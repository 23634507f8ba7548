"""The settings tab of a branch."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from builds import resize
from builds.again import deploy_again
from builds.begin import rebuild
from builds.branchframe import branch_context, sidebar
from builds.models import Build, Resize
from portal.accounts import person
from portal.live import respond
from portal.models import State
from portal.stories import StoryError
from projects.access import Access, Tool, branch_or_404
from projects.branchforms import BranchForm, SizeForm, branch_form
from projects.models import Branch, Stage

SOON = 1  # seconds between polls while a resize goes on


@require_http_methods(["GET", "POST"])
def branch_settings(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access, branch = branch_or_404(request, slug, pk, Tool.BRANCH_SETTINGS)
    form = branch_form(branch, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save_by(person(request))
        messages.success(request, told(form))
        if "now" in request.POST:
            return build_now(request, branch)
        return redirect("branch-settings", slug=slug, pk=pk)
    return settings_page(request, access, branch, form=form, size_form=SizeForm(instance=wanted_size(branch)))


@require_POST
def branch_resize(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Other memory and cores, at once."""
    access, branch = branch_or_404(request, slug, pk, Tool.BRANCH_SETTINGS)
    size_form = SizeForm(request.POST, instance=Branch.objects.select_related("project").get(pk=pk))
    if not size_form.is_valid():
        return settings_page(request, access, branch, form=branch_form(branch), size_form=size_form)
    if size_form.has_changed():
        resize.ask(branch=branch, size=size_form.instance, by=person(request))
    else:
        messages.info(request, "Nothing was changed.")
    return redirect("branch-settings", slug=slug, pk=pk)


def settings_page(
    request: HttpRequest, access: Access, branch: Branch, *, form: BranchForm, size_form: SizeForm
) -> HttpResponse:
    wish = newest_wish(branch)
    context: dict[str, Any] = branch_context(access, branch, "settings") | sidebar(access, "", branch)
    context |= {"form": form, "size_form": size_form, "title": f"Settings · {branch} · {access.project}"}
    context["domains"] = branch.domains.order_by("name")
    context |= {"wish": wish, "pool": branch.instance.live_pool if branch.instance else None}
    context["may_build"] = context["may_deploy"] and to_build(branch) is not None
    every = SOON if wish and wish.story and wish.story.is_open else None
    return respond(request, "builds/branch_settings.html", context, every=every)


def newest_wish(branch: Branch) -> Resize | None:
    return Resize.objects.filter(branch=branch).select_related("story", "asked_by").order_by("-pk").first()


def wanted_size(branch: Branch) -> Branch:
    """The branch with the size that it has, or is about to get."""
    wish, wanted = newest_wish(branch), Branch.objects.select_related("project").get(pk=branch.pk)
    if wish and wish.story and wish.story.is_open:
        wanted.memory_mb, wanted.cpus = wish.memory_mb, wish.cpus
    return wanted


def told(form: BranchForm) -> str:
    """What was saved, and when it takes effect."""
    effects = [f"{', '.join(labels)}: {effect}" for effect, labels in form.effects().items()]
    return f"Saved. Takes effect: {'; '.join(effects)}." if effects else "Nothing was changed."


def to_build(branch: Branch) -> Build | None:
    """What is built again so that settings take effect: what serves production, and elsewhere the newest."""
    return served(branch) or Build.objects.filter(branch=branch, state=State.DONE).order_by("-pk").first()


def served(branch: Branch) -> Build | None:
    """The build whose pool serves production. What its branch's settings change there needs no other image."""
    if branch.stage != Stage.PRODUCTION or branch.instance is None:
        return None
    return Build.objects.filter(branch=branch, state=State.DONE).serving(branch.instance)


def build_now(request: HttpRequest, branch: Branch) -> HttpResponse:
    """Production gets a new pool of what serves there, from the image that there is; elsewhere all is made anew."""
    slug, build = branch.project.slug, to_build(branch)
    if build is not None:
        begin_again = deploy_again if build == served(branch) else rebuild
        try:
            again = begin_again(build=build, by=person(request))
        except StoryError as error:
            messages.error(request, error.in_words)
        else:
            return redirect("build", slug=slug, number=again.number)
    return redirect("branch-settings", slug=slug, pk=branch.pk)
