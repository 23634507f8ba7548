"""The portal's own database, brought to the version of the code while the code of before still answers from it.

So migrations only add, and one that would wait for a table in use gives way to who uses it, and tries again.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import OperationalError, connection, migrations, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_fixed

from deploy.management import manage
from deploy.progress import Progress

LOCK_MS = 3000  # that pages may wait behind a change of a table
TRIES, PAUSE_S = 10, 2
LOCK_NOT_AVAILABLE = "55P03"  # https://www.postgresql.org/docs/current/errcodes-appendix.html

ADDING = (
    migrations.CreateModel,
    migrations.AddIndex,
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
    migrations.AddConstraint,
    migrations.RemoveConstraint,
    migrations.RemoveIndex,
)


def migrate(progress: Progress) -> None:
    """Raises SetupError."""
    for line in not_adding(planned()):
        progress.say(f"old code may fail until it is replaced: {line}")
    with _short_locks():
        _migrate()


def planned() -> list[Operation]:
    """What the migrations would do that aren't there yet; nothing where there is no database yet."""
    executor = MigrationExecutor(connection)
    if not executor.loader.applied_migrations:
        return []
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [operation for migration, _backwards in plan for operation in migration.operations]


def not_adding(operations: Sequence[Operation]) -> list[str]:
    """Those that code of before can't live with, in words. A new column must be one that its INSERTs may leave out."""
    found, new = [], set[str]()
    for operation in operations:
        if isinstance(operation, migrations.CreateModel):
            new.add(operation.name_lower)
        elif isinstance(operation, migrations.AddField):
            if operation.model_name_lower not in new and not _may_be_left_out(operation.field):
                found.append(operation.describe())
        elif not isinstance(operation, ADDING) and not _says_that_it_adds(operation):
            found.append(operation.describe())
    return found


def _says_that_it_adds(operation: Operation) -> bool:
    return isinstance(operation, migrations.RunSQL) and operation.hints.get("only_adds", False)


def _may_be_left_out(field: models.Field) -> bool:  # type: ignore[type-arg]
    return field.null or field.many_to_many or field.has_db_default()


@contextmanager
def _short_locks() -> Iterator[None]:
    """libpq reads its options from the environment whenever it connects."""
    before = os.environ.get("PGOPTIONS")
    os.environ["PGOPTIONS"] = f"{before or ''} -c lock_timeout={LOCK_MS}".strip()
    connection.close()
    try:
        yield
    finally:
        connection.close()
        if before is None:
            del os.environ["PGOPTIONS"]
        else:
            os.environ["PGOPTIONS"] = before


def _was_locked(error: BaseException) -> bool:
    return isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", "") == LOCK_NOT_AVAILABLE


@retry(retry=retry_if_exception(_was_locked), stop=stop_after_attempt(TRIES), wait=wait_fixed(PAUSE_S), reraise=True)
def _migrate() -> None:
    manage("migrate", "--no-input")
