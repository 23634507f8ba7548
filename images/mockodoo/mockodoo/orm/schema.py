"""Tables and columns of models, made and widened as Odoo does it."""

from __future__ import annotations

import logging
from typing import Any

import psycopg2

from mockodoo import postgres
from mockodoo.postgres import Cursor, identifier

from . import fields
from .environment import Environment
from .models import LOG_FIELDS, Model
from .relations import Many2many, Many2one

_schema = logging.getLogger("odoo.schema")


def make_table(env: Environment, model: type[Model]) -> list[tuple[str, str]]:
    """Create or widen a model's table. Returns the (table, column) pairs that are still to become NOT NULL."""
    cr, table = env.cr, model._table
    is_new = not postgres.table_exists(cr, table)
    if is_new:
        cr.execute(f"CREATE TABLE {identifier(table)} (id SERIAL PRIMARY KEY)")
        cr.execute(f"COMMENT ON TABLE {identifier(table)} IS %s", (model._description or model._name,))
    existing = _columns(cr, table)
    for field in model._fields.values():
        if field.is_column and field.name != "id" and field.name not in existing:
            cr.execute(f"ALTER TABLE {identifier(table)} ADD COLUMN {identifier(field.name)} {field.column_type}")
            if not is_new:
                _fill(env, model, field)
    _add_constraints(cr, model)
    return [(table, field.name) for field in model._fields.values() if field.is_column and field.required]


def make_relations(env: Environment, model: type[Model]) -> None:
    """Make the tables of many2many fields, once all models have theirs."""
    for field in model._fields.values():
        if isinstance(field, Many2many) and field.store and field.comodel_name in env and env[field.comodel_name]._auto:
            comodel = type(env[field.comodel_name])
            table, mine, theirs = (identifier(name) for name in field.names(model, comodel))
            env.cr.execute(
                f"CREATE TABLE IF NOT EXISTS {table} ("
                f"{mine} INTEGER NOT NULL REFERENCES {identifier(model._table)} ON DELETE CASCADE, "
                f"{theirs} INTEGER NOT NULL REFERENCES {identifier(comodel._table)} ON DELETE CASCADE, "
                f"PRIMARY KEY ({mine}, {theirs}))"
            )


def require(cr: Cursor, table: str, column: str) -> None:
    """Set a column NOT NULL. Where rows stand against it Odoo only warns, and ends with exit code 0; so do we."""
    try:
        with cr.savepoint():
            cr.execute(f"ALTER TABLE {identifier(table)} ALTER COLUMN {identifier(column)} SET NOT NULL")
    except psycopg2.Error:
        for level in (logging.INFO, logging.WARNING, logging.ERROR):  # once a try: at once, at the end, in a last check
            _schema.log(level, "Table %r: unable to set NOT NULL on column %r", table, column)


def _fill(env: Environment, model: type[Model], field: fields.Field) -> None:
    """Give rows that are there the default of a new column."""
    value = field.fallback(env[model._name]) if field.default is not None else None
    if value is not None:
        query = f"UPDATE {identifier(model._table)} SET {identifier(field.name)} = %s"
        env.cr.execute(query, (field.to_column(value),))


def _columns(cr: Cursor, table: str) -> set[str]:
    cr.execute("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", (identifier(table),))
    return {row[0] for row in cr.fetchall()}


def _add_constraints(cr: Cursor, model: type[Model]) -> None:
    for key, definition, _message in model._sql_constraints:
        name = f"{model._table}_{key}"
        cr.execute("SELECT 1 FROM pg_constraint WHERE conname = %s", (name,))
        if cr.fetchone() is None:
            try:
                with cr.savepoint():
                    cr.execute(f"ALTER TABLE {identifier(model._table)} ADD CONSTRAINT {identifier(name)} {definition}")
            except psycopg2.Error as error:
                _schema.warning("Table %r: unable to add constraint %r: %s", model._table, name, str(error).strip())


def reference(cr: Cursor, model: type[Model], field: Many2one, comodel: type[Model]) -> None:
    """Add the foreign key of a many2one, where it is not there yet."""
    name = f"{model._table}_{field.name}_fkey"
    cr.execute("SELECT 1 FROM pg_constraint WHERE conname = %s", (name,))
    if cr.fetchone() is None:
        cr.execute(
            f"ALTER TABLE {identifier(model._table)} ADD CONSTRAINT {identifier(name)} "
            f"FOREIGN KEY ({identifier(field.name)}) REFERENCES {identifier(comodel._table)} ON DELETE {field.ondelete}"
        )


def make_tables(env: Environment, models: list[type[Model]]) -> list[tuple[str, str]]:
    """All of `models`: tables, then what ties them together. Returns what is to become NOT NULL."""
    tables = [model for model in models if model._auto]
    required = [pair for model in tables for pair in make_table(env, model)]
    for model in tables:
        make_relations(env, model)
        for field in model._fields.values():
            if (
                isinstance(field, Many2one)
                and field.name not in LOG_FIELDS
                and field.is_column
                and field.comodel_name in env
            ):
                comodel = type(env[field.comodel_name])
                if comodel._auto:
                    reference(env.cr, model, field, comodel)
    for model in models:
        _call_init(env[model._name])
    return required


def _call_init(model: Any) -> None:
    """`init()`, by which models with `_auto = False` make their SQL views."""
    if hasattr(model, "init"):
        model.init()
