"""What people fill in about custom domains."""

from django import forms
from django.core.files.uploadedfile import UploadedFile

LONGEST_INPUT = 2000  # characters; what is longer than a host name is refused with its length
LARGEST_FILE = 100_000  # bytes; a chain of ten certificates has some 20,000


class DomainForm(forms.Form):
    """Only that there is something: projects.domains says what may be a domain."""

    name = forms.CharField(
        label="Host name",
        max_length=LONGEST_INPUT,
        widget=forms.TextInput(
            attrs={"class": "form-control", "placeholder": "www.example.com", "autocomplete": "off", "inputmode": "url"}
        ),
    )


class CertificateForm(forms.Form):
    """Two PEM files; hosting.pem says whether they are a certificate and its key."""

    chain = forms.FileField(label="Certificate, with those that issued it (PEM)")
    key = forms.FileField(label="Its private key (PEM, without a password)")

    def clean_chain(self) -> str:
        return _text(self.cleaned_data["chain"])

    def clean_key(self) -> str:
        return _text(self.cleaned_data["key"])


def _text(file: UploadedFile) -> str:  # type: ignore[type-arg]
    """Raises ValidationError."""
    if (file.size or 0) > LARGEST_FILE:
        raise forms.ValidationError("This file is too large for what it should be.")
    try:
        return str(file.read().decode("ascii"))
    except UnicodeDecodeError as error:
        raise forms.ValidationError("PEM is text that begins with -----BEGIN; this file is something else.") from error
