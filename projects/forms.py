"""What people fill in about projects."""

from django import forms
from django.conf import settings

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

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        series = sorted(settings.BERTH_ODOO_IMAGES, key=float, reverse=True)
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


class MemberForm(forms.Form):
    login = forms.CharField(label="GitHub login", max_length=64)
    role = forms.ChoiceField(choices=Role.choices, initial=Role.DEVELOPER)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)
