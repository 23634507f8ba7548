"""Migrations that the code of before can live with, and those that it can't."""

import os

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import OperationalError, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from deploy import migration

OURS = {"portal", "hosting", "projects", "builds"}


class Locked(Exception):
    sqlstate = "55P03"


def column(field: models.Field) -> Operation:  # type: ignore[type-arg]
    return migrations.AddField("build", "more", field)


@pytest.mark.parametrize(
    "operation",
    [
        migrations.CreateModel("thing", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddIndex("build", models.Index(fields=["number"], name="by_number")),
        column(models.TextField(null=True)),
        column(models.TextField(db_default="")),
    ],
)
def test_what_only_adds_is_no_trouble(operation: Operation) -> None:
    assert migration.not_adding([operation]) == []


@pytest.mark.parametrize(
    "operation",
    [
        column(models.TextField(default="")),  # Django drops the default once the column is there
        migrations.RemoveField("build", "number"),
        migrations.RenameField("build", "number", "count"),
        migrations.DeleteModel("build"),
        migrations.AlterField("build", "number", models.TextField()),
        migrations.RunSQL("DROP TABLE builds_build"),
    ],
)
def test_what_old_code_can_not_live_with_is_named(operation: Operation) -> None:
    assert migration.not_adding([operation]) == [operation.describe()]


def test_a_column_of_a_table_that_is_new_too_is_no_trouble() -> None:
    made = migrations.CreateModel("build", [("id", models.BigAutoField(primary_key=True))])
    assert migration.not_adding([made, column(models.TextField(default=""))]) == []


def test_a_table_in_use_is_waited_for_in_short_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def manage(*_arguments: str) -> None:
        tries.append(os.environ["PGOPTIONS"])
        if len(tries) < 3:
            raise OperationalError from Locked()

    monkeypatch.setattr(migration, "manage", manage)
    monkeypatch.setattr(migration._migrate.retry, "wait", lambda _state: 0)
    monkeypatch.delenv("PGOPTIONS", raising=False)
    with migration._short_locks():
        migration._migrate()
    assert tries == ["-c lock_timeout=3000"] * 3
    assert "PGOPTIONS" not in os.environ


def test_another_failure_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def manage(*_arguments: str) -> None:
        tries.append(1)
        raise OperationalError

    monkeypatch.setattr(migration, "manage", manage)
    with pytest.raises(OperationalError):
        migration._migrate()
    assert len(tries) == 1


def test_code_of_before_may_leave_out_every_column_that_came_later() -> None:
    """It still inserts while bin/up migrates. What came with its table or in an app's first migrations it knows."""
    late = [
        (f"{app}.{added.model_name}", added.name)
        for (app, _name), each in MigrationLoader(None).disk_migrations.items()
        if app in OURS and not each.initial
        for added in each.operations
        if isinstance(added, migrations.AddField)
    ]
    fields = {f"{model}.{name}": apps.get_model(model)._meta.get_field(name) for model, name in late}
    assert "hosting.pool.cron_log_read" in fields
    assert [name for name, field in fields.items() if not (field.null or field.has_db_default())] == []


@pytest.mark.django_db
def test_no_model_is_ahead_of_its_migrations() -> None:
    call_command("makemigrations", "--check", "--dry-run")
