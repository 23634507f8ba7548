"""Pages of a project's members: who they are, who is invited, and leaving."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal.accounts import person
from portal.stories import StoryError
from projects import invitations, members
from projects.access import Access, Tool, project_or_404
from projects.forms import HandOverForm, InviteForm, RoleForm
from projects.models import Invitation, Member, Role

LINK = "invitation_link"  # in the session: a link is shown once, to who made it


@require_GET
def show_members(request: HttpRequest, slug: str) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    return _members_page(request, access, InviteForm())


@require_POST
def invite(request: HttpRequest, slug: str) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    return _invited(request, access, InviteForm(request.POST))


@require_POST
def hand_over(request: HttpRequest, slug: str) -> HttpResponse:
    """Offer the whole project to somebody, who takes it over by accepting."""
    access = project_or_404(request, slug, Tool.SETTINGS)
    return _invited(request, access, HandOverForm(request.POST))


def _invited(request: HttpRequest, access: Access, form: InviteForm) -> HttpResponse:
    slug = access.project.slug
    if form.is_valid():
        whom, role = form.cleaned_data["whom"], Role(form.cleaned_data["role"])
        try:
            made, link = invitations.invite(
                project=access.project, whom=whom, role=role, by=person(request), takes_over=form.takes_over
            )
        except StoryError as error:
            form.add_error("whom", error.in_words)
        else:
            mailed = _mailed(request, made, link)
            request.session[LINK] = {"slug": slug, "whom": str(made), "link": link, "mailed": mailed}
            return redirect("members", slug=slug)
    return _members_page(request, access, form)


def _mailed(request: HttpRequest, made: Invitation, link: str) -> bool:
    try:
        return invitations.mail(made, link)
    except OSError as error:
        messages.error(request, f"The mail to {made} could not be sent: {error}. Give them the link yourself.")
        return False


@require_POST
def withdraw_invitation(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    found = get_object_or_404(access.project.invitations, pk=pk)
    invitations.withdraw(invitation=found, by=person(request))
    messages.success(request, f"The invitation of {found} lets nobody in any more.")
    return redirect("members", slug=slug)


@require_POST
def change_member(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    member = get_object_or_404(access.project.members.select_related("user", "project"), pk=pk)
    form = RoleForm(request.POST)
    if form.is_valid():
        role = Role(form.cleaned_data["role"])
        try:
            members.change(member=member, role=role, by=person(request))
            messages.success(request, f"{member.user} is {role.label.lower()} now.")
        except StoryError as error:
            messages.error(request, error.in_words)
    return redirect("members", slug=slug)


@require_POST
def remove_member(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    member = get_object_or_404(access.project.members.select_related("user", "project"), pk=pk)
    if not _left(request, member):
        return redirect("members", slug=slug)
    messages.success(request, f"{member.user} is no member any more.")
    return redirect("projects") if member.user == request.user else redirect("members", slug=slug)


@require_http_methods(["GET", "POST"])
def leave(request: HttpRequest, slug: str) -> HttpResponse:
    """One's own way out, for every role."""
    access = project_or_404(request, slug, Tool.STATUS)
    member = access.project.members.select_related("user", "project").filter(user=person(request)).first()
    if request.method == "POST":
        if member is None or not _left(request, member):
            return redirect("leave", slug=slug)
        messages.success(request, f"You have left {access.project}.")
        return redirect("projects")
    return render(request, "projects/leave.html", {"access": access, "member": member})


def _left(request: HttpRequest, member: Member) -> bool:
    try:
        members.remove(member=member, by=person(request))
    except StoryError as error:
        messages.error(request, error.in_words)
        return False
    return True


@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Where the link leads. It says nothing of the project to whom it isn't for."""
    found, who = invitations.find(token), person(request)
    refusal = ""
    if found is not None and request.method == "POST":
        try:
            member = invitations.accept(invitation=found, by=who)
        except StoryError as error:
            refusal = error.in_words
        else:
            messages.success(request, f"You are {member.get_role_display().lower()} of {member.project} now.")
            return redirect("project", slug=member.project.slug)
    mine = found is not None and invitations.is_for(found, who)
    over = invitations.over(found) if found is not None else ""
    context: dict[str, object] = {"invitation": found, "mine": mine, "over": over, "refusal": refusal}
    return render(request, "projects/invitation.html", context, status=404 if found is None else 200)


def _members_page(request: HttpRequest, access: Access, form: InviteForm) -> HttpResponse:
    link = request.session.get(LINK)
    if link is not None and link["slug"] == access.project.slug:
        del request.session[LINK]
    else:
        link = None
    context = {
        "access": access,
        "nav": "settings",
        "tab": "members",
        "form": InviteForm() if form.takes_over else form,
        "hand_over_form": form if form.takes_over else HandOverForm(),
        "members": access.project.members.select_related("user").order_by("user__username"),
        "invitations": access.project.invitations.open().select_related("invited_by").order_by("pk"),
        "link": link,
        "roles": Role,
    }
    return render(request, "projects/members.html", context)
