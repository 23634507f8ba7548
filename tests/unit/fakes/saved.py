"""The state of rows, files and the world at one moment, to begin from again and again."""

import copy
import shutil
from collections.abc import Iterable
from pathlib import Path

from django.apps import apps
from django.db import connection

from tests.unit.fakes.world import World

APPS = ("portal", "hosting", "projects", "builds")


class Saved:
    """Rows are copied within PostgreSQL: that is far quicker than to make them again."""

    def __init__(self, world: World, home: Path) -> None:
        self.world, self.home = copy.deepcopy(vars(world)), home
        self.files = home.with_name(f"{home.name}-saved")
        shutil.rmtree(self.files, ignore_errors=True)
        shutil.copytree(home, self.files, symlinks=True)
        models = (model for app in APPS for model in apps.get_app_config(app).get_models(include_auto_created=True))
        self.tables = [model._meta.db_table for model in models]
        self.drop()
        self._run(f"CREATE TABLE saved_{table} AS TABLE {table}" for table in self.tables)

    def restore(self, world: World) -> None:
        vars(world).update(copy.deepcopy(self.world))
        shutil.rmtree(self.home)
        shutil.copytree(self.files, self.home, symlinks=True)
        fill = [f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM saved_{table}" for table in self.tables]
        # Without triggers no foreign key is checked, so that tables may come in any order.
        self._run(["SET session_replication_role = replica", *fill, "SET session_replication_role = DEFAULT"])

    def drop(self) -> None:
        self._run(f"DROP TABLE IF EXISTS saved_{table}" for table in self.tables)

    def _run(self, statements: Iterable[str]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("; ".join(statements))
