"""What people fill in about projects."""

import re

from django import forms
from django.core.validators import validate_email

from hosting import images
from portal import audit
from portal.models import User
from projects import support
from projects.models import SLUG, Project, Role


class NewProjectForm(forms.Form):
    """A repository to connect. projects.connect checks again what others may have taken meanwhile."""

    repository = forms.RegexField(
        r"^[\w.-]+/[\w.-]+$",
        max_length=200,
        error_messages={"invalid": "Write it as owner/name.", "required": "Choose one."},
    )
    name = forms.CharField(max_length=100)
    slug = forms.CharField(label="Address", max_length=31, validators=[SLUG])
    series = forms.ChoiceField(label="Odoo")
    code = forms.CharField(label="Subscription code", max_length=60, required=False)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        series = [each for each in reversed(images.offered()) if not support.refusal(each)]
        self.fields["series"] = forms.ChoiceField(label="Odoo", choices=[(each, f"Odoo {each}") for each in series])

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"])
        if Project.objects.filter(slug=slug).exists():
            raise forms.ValidationError(f"{slug} is taken. Choose another address.")
        return slug


class ProjectForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Project
        fields = ("name", "public", "time_zone", "backup_hour")

    def save_by(self, by: User) -> None:
        """With an entry in the audit log."""
        project = self.instance
        audit.save_form(self, by=by, verb="change project", object=project.slug, project_id=project.pk)


LOGIN = re.compile(
    r"@?[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62})"
)  # GitHub's: 39, with an underscore where a company gives them


class InviteForm(forms.Form):
    takes_over = False
    whom = forms.CharField(
        max_length=254,
        error_messages={"required": "Write a GitHub login or a mail address.", "max_length": "That is too long."},
    )
    role = forms.ChoiceField(choices=Role.choices, initial=Role.DEVELOPER)

    def clean_whom(self) -> str:
        """A login without its @, or a mail address in small letters."""
        whom = str(self.cleaned_data["whom"])
        if LOGIN.fullmatch(whom):
            return whom.removeprefix("@")
        try:
            validate_email(whom)
        except forms.ValidationError:
            raise forms.ValidationError("Write a GitHub login, like octocat, or a whole mail address.") from None
        return whom.lower()


class HandOverForm(InviteForm):
    """Who takes a project over becomes an admin: there is nothing to choose."""

    takes_over = True
    role = forms.ChoiceField(choices=[(Role.ADMIN, Role.ADMIN.label)], required=False)

    def clean_role(self) -> str:
        return Role.ADMIN


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)
