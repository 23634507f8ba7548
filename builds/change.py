"""What an update changes in a database, and whether code from before it can run on what it makes.

A pure comparison of two shapes. In doubt a change is one that the old code can't live with.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from hosting.engines.postgres import Constraint, Shape

LINES = 200  # that are kept for people


class Kind(StrEnum):
    NONE = "none"  # code from before finds what it left
    HARMLESS = "harmless"  # it finds more than it left, and none of it in its way
    HOLD = "hold"  # it must never meet what the update made


@dataclass(frozen=True)
class Change:
    kind: Kind
    lines: tuple[str, ...]  # for people: the weighty ones first


def compare(before: Shape, after: Shape) -> Change:
    """What became of the shape `before`."""
    weighty = [*_columns(before, after), *_constraints(before, after), *_definitions(before, after)]
    light = list(_additions(before, after))
    kind = Kind.HOLD if weighty else Kind.HARMLESS if light else Kind.NONE
    return Change(kind, tuple([*weighty, *light][:LINES]))


def _additions(before: Shape, after: Shape) -> Iterator[str]:
    """What is new, and what old code needn't know of."""
    for table in sorted(after.tables - before.tables):
        yield f"new table {table}"
    for name in sorted(after.columns.keys() - before.columns.keys()):
        if _table(name) in before.tables and not _is_missed(after, name):
            yield f"new column {name}, {after.columns[name].type}"
    for name in sorted(after.fields.keys() - before.fields.keys()):
        yield f"new field {name}"
    changed = before.definitions.keys() & after.definitions.keys()
    for name in sorted(after.definitions.keys() - before.definitions.keys()):
        yield f"new {name}"
    for name in sorted(key for key in changed if before.definitions[key] != after.definitions[key]):
        yield f"changed {name}"


def _columns(before: Shape, after: Shape) -> Iterator[str]:
    """Columns that old code would miss, or that would miss something from old code."""
    for table in sorted(before.tables - after.tables):
        yield f"removed table {table}"
    for name in sorted(before.columns.keys() - after.columns.keys()):
        if _table(name) in after.tables:
            yield f"removed column {name}"
    for name in sorted(before.columns.keys() & after.columns.keys()):
        old, new = before.columns[name], after.columns[name]
        if old.type != new.type:
            yield f"{name} was {old.type} and is {new.type}"
        if new.required and not old.required:
            yield f"{name} is required now"
        if old.default and not new.default:
            yield f"{name} has no default any more"
    for name in sorted(after.columns.keys() - before.columns.keys()):
        if _table(name) in before.tables and _is_missed(after, name):
            yield f"new required column {name} without a default"


def _is_missed(after: Shape, column: str) -> bool:
    """Whether a row of somebody who doesn't know the column is refused."""
    return after.columns[column].required and not after.columns[column].default


def _constraints(before: Shape, after: Shape) -> Iterator[str]:
    """Rules about rows that old code writes. What is no longer forbidden harms nobody."""
    for name in sorted(after.constraints.keys()):
        old, new = before.constraints.get(name), after.constraints[name]
        if old != new and not _is_out_of_the_way(before, new):
            yield f"{'changed' if old else 'new'} constraint {name}: {new.definition}"


def _is_out_of_the_way(before: Shape, new: Constraint) -> bool:
    """Whether old code can't run into a new constraint: it is about what that code never writes.

    One that refers to other rows keeps those from being deleted, unless it says that it doesn't.
    """
    unknown = all(f"{new.table}.{column}" not in before.columns for column in new.columns) and bool(new.columns)
    deletes = "ON DELETE SET NULL" in new.definition or "ON DELETE CASCADE" in new.definition
    return unknown and (new.kind != "f" or deletes)


def _definitions(before: Shape, after: Shape) -> Iterator[str]:
    """Fields that old code would miss, and views that may name fields which it doesn't have."""
    for name in sorted(before.fields.keys() - after.fields.keys()):
        yield f"removed field {name}"
    for name in sorted(before.fields.keys() & after.fields.keys()):
        if before.fields[name] != after.fields[name]:
            yield f"field {name} was {before.fields[name]} and is {after.fields[name]}"
    for name in sorted(before.definitions.keys() - after.definitions.keys()):
        yield f"removed {name}"
    if before.definitions != after.definitions and after.fields.keys() - before.fields.keys():
        yield "views, rules or actions changed together with new fields, which they may name"


def _table(column: str) -> str:
    return column.partition(".")[0]
