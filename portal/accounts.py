"""Signing in: with GitHub, or with the operator's password."""

import hashlib
from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import transaction
from social_core.backends.github_enterprise import GithubEnterpriseOAuth2
from social_django.models import UserSocialAuth

from portal.models import User


class PBKDF2SHA512Hasher(PBKDF2PasswordHasher):
    """PBKDF2 with SHA-512; the iterations are OWASP's minimum for it, doubled."""

    algorithm = "pbkdf2_sha512"
    digest = hashlib.sha512
    iterations = 420_000


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


def remember_github(*, user: User, response: dict[str, Any], **_kwargs: object) -> None:
    """The last step of signing in with GitHub: keep the token (encrypted) and how the person is called there."""
    user.github_login = str(response.get("login") or "")[:64]
    user.github_token = str(response.get("access_token") or "")
    user.avatar_url = str(response.get("avatar_url") or "")[:200]
    user.save(update_fields=["github_login", "github_token", "avatar_url"])
