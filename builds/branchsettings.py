"""The settings tab of a branch."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from builds.begin import rebuild
from builds.models import Build
from builds.pages import branch_context, sidebar
from portal import audit
from portal.live import in_words
from portal.models import State, User
from portal.stories import StoryError
from projects.access import Access, Tool, branch_or_404
from projects.branchforms import BranchForm
from projects.models import Branch


@require_http_methods(["GET", "POST"])
def branch_settings(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access, branch = branch_or_404(request, slug, pk, Tool.BRANCH_SETTINGS)
    form = BranchForm(request.POST or None, instance=Branch.objects.get(pk=pk), cpus=cores(branch))
    if request.method == "POST" and form.is_valid():
        save(form, before=branch, by=cast(User, request.user))
        messages.success(request, told(form))
        if "now" in request.POST:
            return build_now(request, branch)
        return redirect("branch-settings", slug=slug, pk=pk)
    return settings_page(request, access, branch, form=form)


def settings_page(request: HttpRequest, access: Access, branch: Branch, *, form: BranchForm) -> HttpResponse:
    context: dict[str, Any] = branch_context(access, branch, "settings") | sidebar(access, "", branch)
    context |= {"form": form, "title": f"Settings · {branch} · {access.project}"}
    context["may_build"] = context["may_deploy"] and to_build(branch) is not None
    return render(request, "builds/branch_settings.html", context)


def cores(branch: Branch) -> float:
    """How many cores each of its containers may use."""
    return float(branch.cpus or settings.BERTH_POOL_CPUS)


@transaction.atomic
def save(form: BranchForm, *, before: Branch, by: User) -> None:
    """Save what was changed, with an entry in the audit log."""
    changed = form.changed_data
    if not changed:
        return
    branch = cast(Branch, form.save(commit=False))
    branch.save(update_fields=changed)
    audit.record(
        by=by,
        verb="change branch settings",
        object=branch.name,
        project_id=branch.project_id,
        before={name: getattr(before, name) for name in changed},
        after={name: getattr(branch, name) for name in changed},
    )


def told(form: BranchForm) -> str:
    """What was saved, and when it takes effect."""
    effects = [f"{', '.join(labels)}: {effect}" for effect, labels in form.effects().items()]
    return f"Saved. Takes effect: {'; '.join(effects)}." if effects else "Nothing was changed."


def to_build(branch: Branch) -> Build | None:
    """What is built again so that settings take effect: what serves production, and elsewhere the newest."""
    ended = Build.objects.filter(branch=branch, state=State.DONE).order_by("-pk")
    served = ended.filter(pool__instance__live_pool=branch.instance.live_pool) if branch.instance else ended.none()
    return (served.first() if branch.stage == "production" else None) or ended.first()


def build_now(request: HttpRequest, branch: Branch) -> HttpResponse:
    slug, build = branch.project.slug, to_build(branch)
    if build is not None:
        try:
            again = rebuild(build=build, by=cast(User, request.user))
        except StoryError as error:
            messages.error(request, in_words(error))
        else:
            return redirect("build", slug=slug, number=again.number)
    return redirect("branch-settings", slug=slug, pk=branch.pk)
