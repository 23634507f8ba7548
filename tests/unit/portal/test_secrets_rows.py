"""Secrets in rows: encrypted there, plain in Python, under keys that can rotate."""

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from pytest_django import Settings

from portal import secrets
from portal.models import User
from tests import cast

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_what_is_encrypted_is_unreadable_and_comes_back() -> None:
    stored = secrets.encrypt("hunter22 äöü")
    assert "hunter22" not in stored
    assert secrets.decrypt(stored) == "hunter22 äöü"
    assert secrets.encrypt("hunter22 äöü") != stored


def test_old_keys_go_on_reading_and_the_newest_writes(settings: Settings) -> None:
    settings.BERTH_FERNET_KEYS = [OLD]
    before = secrets.encrypt("kept")
    settings.BERTH_FERNET_KEYS = [NEW, OLD]
    assert secrets.decrypt(before) == "kept"
    after = secrets.encrypt("new")
    settings.BERTH_FERNET_KEYS = [NEW]
    assert secrets.decrypt(after) == "new"


def test_a_lost_key_is_said_without_the_secret(settings: Settings) -> None:
    settings.BERTH_FERNET_KEYS = [OLD]
    stored = secrets.encrypt("hunter22")
    settings.BERTH_FERNET_KEYS = [NEW]
    with pytest.raises(ValueError, match="BERTH_FERNET_KEYS") as caught:
        secrets.decrypt(stored)
    assert "hunter22" not in str(caught.value)


def test_passwords_are_long_and_never_the_same() -> None:
    made = {secrets.new_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(password) == 32 for password in made)


@pytest.mark.django_db
def test_a_field_is_encrypted_in_its_row_and_plain_in_python() -> None:
    alice = cast.person("Alice", github_token="gho_hunter22")
    with connection.cursor() as cursor:
        cursor.execute("SELECT github_token FROM portal_user WHERE id = %s", [alice.pk])
        (stored,) = cursor.fetchone()
    assert "hunter22" not in stored
    assert secrets.decrypt(stored) == "gho_hunter22"
    alice.refresh_from_db()
    assert alice.github_token == "gho_hunter22"
    assert list(User.objects.values_list("github_token", flat=True)) == ["gho_hunter22"]


@pytest.mark.django_db
def test_rows_without_a_secret_can_be_told_apart() -> None:
    with_token, without = cast.person("Alice", github_token="gho_hunter22"), cast.person("Tom")
    assert list(User.objects.exclude(github_token="")) == [with_token]
    assert list(User.objects.filter(github_token="")) == [without]
