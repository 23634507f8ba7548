"""Secrets in rows: encrypted with Fernet, and new random ones.

BERTH_FERNET_KEYS holds one or more keys, newest first: the first encrypts, all decrypt, so that keys can rotate.
"""

import secrets
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(plain: str) -> str:
    return _fernet(tuple(settings.BERTH_FERNET_KEYS)).encrypt(plain.encode()).decode()


def decrypt(stored: str) -> str:
    """Raises ValueError where none of the keys fits."""
    try:
        return _fernet(tuple(settings.BERTH_FERNET_KEYS)).decrypt(stored.encode()).decode()
    except InvalidToken as error:
        raise ValueError(
            "A stored secret fits none of BERTH_FERNET_KEYS. Put the key back that it was written with."
        ) from error


def new_password() -> str:
    """A password of 192 bits, of letters, digits, - and _."""
    return secrets.token_urlsafe(24)


class EncryptedField(models.TextField):  # type: ignore[type-arg]
    """Text that is encrypted in the row and plain in Python. It can't be searched for."""

    def get_prep_value(self, value: object) -> str:
        return encrypt(str(value)) if value else ""

    def from_db_value(self, value: str | None, _expression: object, _connection: BaseDatabaseWrapper) -> str:
        return decrypt(value) if value else ""
