"""Personal tokens for the API: made, found by what somebody sent, revoked.

A token is 256 random bits, so that one round of SHA-256 hides it well: nobody tries them all.
"""

import hashlib
import secrets
from datetime import datetime

from django.db import transaction

from portal import audit, clock
from portal.models import ApiToken, Scope, User

PREFIX = "berth_"  # by which scanners of repositories, and we ourselves in addresses, know one


class BadToken(Exception):
    """Nothing is done for who sent this token. The message says why."""


@transaction.atomic
def make(
    *,
    user: User,
    name: str,
    scope: Scope,
    project_id: int | None = None,
    expires_at: datetime | None = None,
    by: User | None = None,
) -> tuple[ApiToken, str]:
    """The row and the token itself, which is never seen again."""
    plain = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        scope=scope,
        project_id=project_id,
        expires_at=expires_at,
        hash=digest(plain),
        ending=plain[-4:],
    )
    after = {"scope": scope, "owner": user.username, "expires_at": expires_at.isoformat() if expires_at else None}
    audit.record(by=by or user, verb="make token", object=str(token), project_id=project_id, after=after)
    return token, plain


@transaction.atomic
def revoke(*, token: ApiToken, by: User) -> None:
    """From the next request on it is refused. Safe to repeat."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=clock.now()):
        audit.record(by=by, verb="revoke token", object=str(token), project_id=token.project_id)


def find(plain: str) -> ApiToken:
    """The token with its user. Raises BadToken."""
    token = ApiToken.objects.select_related("user").filter(hash=digest(plain)).first()
    if token is None or not token.user.is_active:
        raise BadToken("This token is not known here.")
    if token.revoked_at is not None:
        raise BadToken(f"This token was revoked on {token.revoked_at:%Y-%m-%d %H:%M} UTC.")
    if token.expired:
        raise BadToken(f"This token expired on {token.expires_at:%Y-%m-%d %H:%M} UTC.")
    return token


def digest(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()
