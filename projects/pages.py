"""Pages of a project's settings and members."""

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import audit
from portal.live import in_words
from portal.models import User
from portal.stories import StoryError
from projects import members, quota
from projects.access import Access, Tool, project_or_404
from projects.forms import MemberForm, ProjectForm, RoleForm
from projects.models import Project, Role


@require_GET
def home(request: HttpRequest, slug: str) -> HttpResponse:
    access = project_or_404(request, slug, Tool.BUILDS)
    return redirect("branches" if access.is_member else "builds", slug=slug)


@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    form = ProjectForm(request.POST or None, instance=Project.objects.get(pk=access.project.pk))
    if request.method == "POST" and form.is_valid():
        project = access.project
        audit.save_form(
            form,
            before=project,
            by=_person(request),
            verb="change project",
            object=project.slug,
            project_id=project.pk,
        )
        messages.success(request, "Saved.")
        return redirect("settings", slug=slug)
    return _settings_page(request, access, form=form, member_form=MemberForm())


@require_POST
def add_member(request: HttpRequest, slug: str) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    form = MemberForm(request.POST)
    if form.is_valid():
        try:
            member = members.add(
                project=access.project,
                login=form.cleaned_data["login"],
                role=Role(form.cleaned_data["role"]),
                by=_person(request),
            )
        except StoryError as error:
            form.add_error("login", in_words(error))
        else:
            messages.success(request, f"{member.user} is a member now.")
            return redirect("settings", slug=slug)
    return _settings_page(request, access, form=ProjectForm(instance=access.project), member_form=form)


@require_POST
def change_member(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    member = get_object_or_404(access.project.members.select_related("user", "project"), pk=pk)
    form = RoleForm(request.POST)
    if form.is_valid():
        role = Role(form.cleaned_data["role"])
        try:
            members.change(member=member, role=role, by=_person(request))
            messages.success(request, f"{member.user} is {role.label.lower()} now.")
        except StoryError as error:
            messages.error(request, in_words(error))
    return redirect("settings", slug=slug)


@require_POST
def remove_member(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    member = get_object_or_404(access.project.members.select_related("user", "project"), pk=pk)
    try:
        members.remove(member=member, by=_person(request))
    except StoryError as error:
        messages.error(request, in_words(error))
        return redirect("settings", slug=slug)
    messages.success(request, f"{member.user} is no member any more.")
    return redirect("projects") if member.user == request.user else redirect("settings", slug=slug)


def _settings_page(request: HttpRequest, access: Access, *, form: ProjectForm, member_form: MemberForm) -> HttpResponse:
    rows = access.project.members.select_related("user").order_by("user__username")
    context = {
        "access": access,
        "nav": "settings",
        "form": form,
        "member_form": member_form,
        "members": rows,
        "storage": quota.storage(access.project),
        "roles": Role,
        "hours": [str(hour) for hour in range(24)],
    }
    return render(request, "projects/settings.html", context)


def _person(request: HttpRequest) -> User:
    """The signed-in person; LoginRequiredMiddleware has seen to it that there is one."""
    return cast(User, request.user)
