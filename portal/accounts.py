"""Signing in: with GitHub, or with the operator's password."""

import hashlib
from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import transaction
from django.http import HttpRequest
from rest_framework.request import Request
from social_core.backends.base import BaseAuth
from social_core.backends.github_enterprise import GithubEnterpriseOAuth2
from social_core.exceptions import AuthException
from social_django.models import UserSocialAuth

from portal.models import User


class PBKDF2SHA512Hasher(PBKDF2PasswordHasher):
    """PBKDF2 with SHA-512; the iterations are OWASP's minimum for it, doubled."""

    algorithm = "pbkdf2_sha512"
    digest = hashlib.sha512
    iterations = 420_000


def person(request: HttpRequest | Request) -> User:
    """Who signed in, or whose token it is, where nobody else gets to."""
    assert isinstance(request.user, User)
    return request.user


PROVIDER = GithubEnterpriseOAuth2.name  # github.com too: it is this back end with other addresses


OPERATOR = "operator"


def make_operator(password: str) -> None:
    """The account for bootstrap; one that is there keeps the password that it has now."""
    operator, new = User.objects.get_or_create(username=OPERATOR, defaults={"is_superuser": True, "is_staff": True})
    if new:
        operator.set_password(password)
        operator.save(update_fields=["password"])


def of_github(*, uid: str, login: str, token: str) -> User:
    """The account that signing in with GitHub as `uid` opens, made where it is missing."""
    known = UserSocialAuth.objects.filter(provider=PROVIDER, uid=uid).select_related("user").first()
    if known is not None:
        user: User = known.user
        return user
    with transaction.atomic():
        user = User.objects.create(username=login, github_login=login, github_token=token)
        UserSocialAuth.objects.create(user=user, uid=uid, provider=PROVIDER, id_key=GithubEnterpriseOAuth2.ID_KEY)
    return user


class SignedInAsAnother(AuthException):
    def __str__(self) -> str:
        return "you are signed in here already, and that account at GitHub isn't yours here. Sign out first"


def refuse_another_account(
    *, backend: BaseAuth[Any], social: UserSocialAuth | None, user: User | None, **_kwargs: object
) -> None:
    """Who signs in while somebody is signed in is not given that one's account: it would open it from then on."""
    if user is not None and social is None:
        raise SignedInAsAnother(backend)


def remember_github(*, user: User, response: dict[str, Any], **_kwargs: object) -> None:
    """The last step of signing in with GitHub: keep the token (encrypted), how the person is called there, and which
    mail addresses are proven to be theirs.
    """
    emails = response.get("emails") or []
    user.github_login = str(response.get("login") or "")[:64]
    # A login that was given up may be somebody else's by now: it names the one who has it.
    User.objects.filter(github_login__iexact=user.github_login).exclude(pk=user.pk).update(github_login="")
    user.github_token = str(response.get("access_token") or "")
    user.avatar_url = str(response.get("avatar_url") or "")[:200]
    user.verified_emails = [str(each["email"]).lower() for each in emails if each.get("verified") is True]
    if not user.email:  # to which notifications go
        primary = (str(each["email"]) for each in emails if each.get("primary") and each.get("verified") is True)
        user.email = next(primary, "")
    user.save(update_fields=["email", "github_login", "github_token", "avatar_url", "verified_emails"])
