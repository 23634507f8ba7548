"""Rows of further addresses of instances, and of their certificates."""

from django.conf import settings
from django.db import models

from hosting.models.instances import Instance, _url
from portal import clock
from portal.secrets import EncryptedField


class Alias(models.Model):
    """A further address: a host name that its owner has proven, and the instance that it leads to."""

    hostname = models.CharField(max_length=253, unique=True)  # lower case, punycode
    instance = models.ForeignKey(Instance, models.SET_NULL, null=True, related_name="aliases")  # None: nowhere now
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name_plural = "aliases"

    def __str__(self) -> str:
        return self.hostname

    @property
    def url(self) -> str:
        return _url(self.hostname, secure=self.is_secure)

    @property
    def is_secure(self) -> bool:
        """Whether it is reached by https: the router has a certificate for it, which is valid still."""
        certificate = getattr(self, "certificate", None) if settings.BERTH_TLS_PORT else None
        return bool(certificate and certificate.loaded_at and (certificate.not_after or clock.now()) > clock.now())


class Certificate(models.Model):
    """What visitors of an alias see over TLS: of a certificate authority by ACME, or brought by its owner."""

    class Kind(models.TextChoices):
        ACME = "acme", "got and renewed by Berth"
        OWN = "own", "uploaded"

    alias = models.OneToOneField(Alias, models.CASCADE, related_name="certificate")
    kind = models.CharField(max_length=4, choices=Kind.choices, default=Kind.ACME)
    chain = models.TextField(blank=True)  # PEM, its own first; "" while there is none yet
    key = EncryptedField(blank=True)  # PEM
    issuer = models.CharField(max_length=100, blank=True)
    not_before = models.DateTimeField(null=True)
    not_after = models.DateTimeField(null=True)
    loaded_at = models.DateTimeField(null=True)  # since when the router has what the row has; None: not yet
    attempts = models.PositiveIntegerField(default=0)  # since the last success
    next_at = models.DateTimeField(null=True)  # when it is tried to get or renew it; None: never
    tried_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)  # of the last attempt
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return f"certificate of {self.alias}"


class Challenge(models.Model):
    """What a certificate authority asks for over http, and what it wants to hear."""

    token = models.CharField(max_length=200, unique=True)
    answer = models.CharField(max_length=400)
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return self.token


class AcmeAccount(models.Model):
    """How a certificate authority knows this installation."""

    directory = models.CharField(max_length=300, unique=True)
    address = models.CharField(max_length=300)
    key = EncryptedField()

    def __str__(self) -> str:
        return self.directory
