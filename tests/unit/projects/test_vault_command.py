"""The vault's folder and key for who restores by hand, and a new vault in place of a damaged one."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from hosting.models import Vault
from portal.models import AuditEntry
from projects.models import Project
from tests import cast


@pytest.fixture
def project(db: None, settings: Settings, tmp_path: Path) -> Project:
    settings.BERTH_HOME = tmp_path
    return cast.project("shop", vault=Vault.objects.create())


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("vault", *arguments, stdout=out)
    return out.getvalue()


def test_it_prints_what_restic_wants(project: Project, tmp_path: Path) -> None:
    assert project.vault is not None
    folder, key = tmp_path / "vaults" / f"v{project.vault.pk}", project.vault.key
    assert said("shop") == f"export RESTIC_REPOSITORY={folder} RESTIC_PASSWORD={key}\n"


def test_a_new_one_has_a_key_of_its_own_and_the_old_one_stays(project: Project) -> None:
    before = project.vault
    assert before is not None
    assert before.key not in said("shop", "--new")
    project.refresh_from_db()
    assert project.vault != before
    assert Vault.objects.get(pk=before.pk).key == before.key
    assert AuditEntry.objects.get(verb="begin a new vault").before == f"v{before.pk}"


def test_where_there_is_none_it_says_so(db: None) -> None:
    cast.project("empty")
    with pytest.raises(CommandError, match="made with the first backup"):
        said("empty")
