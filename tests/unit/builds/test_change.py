"""What an update changes, and whether code from before can run on it. In doubt it can't."""

import dataclasses

import pytest

from builds.change import Kind, compare
from hosting.engines.postgres import Column, Constraint, Shape

TEXT = Column("text", required=False, default=False)
BEFORE = Shape(
    tables=frozenset({"book"}),
    columns={"book.id": Column("integer", required=True, default=True), "book.name": TEXT},
    constraints={"book.book_pkey": Constraint("book", "p", ("id",), "PRIMARY KEY (id)")},
    fields={"book.name": "char"},
    definitions={"view 1": "a"},
)


def after(**more: object) -> Shape:
    """The same with more in it, by kind."""
    changed = {}
    for kind, added in more.items():
        old = getattr(BEFORE, kind)
        changed[kind] = old | added
    return dataclasses.replace(BEFORE, **changed)


def test_the_same_shape_is_no_change() -> None:
    assert compare(BEFORE, BEFORE).kind == Kind.NONE
    assert compare(BEFORE, BEFORE).lines == ()


@pytest.mark.parametrize(
    "more",
    [
        {"columns": {"book.note": TEXT}},
        {"columns": {"book.count": Column("integer", required=True, default=True)}},
        {"tables": {"shelf"}, "columns": {"shelf.id": Column("integer", required=True, default=True)}},
        {"fields": {"book.note": "char"}, "columns": {"book.note": TEXT}},
        {"definitions": {"view 1": "b"}},
        {
            "columns": {"book.shelf_id": TEXT},
            "constraints": {
                "book.fk": Constraint("book", "f", ("shelf_id",), "FOREIGN KEY (shelf_id) ... ON DELETE SET NULL")
            },
        },
    ],
)
def test_what_old_code_needs_not_know_is_harmless(more: dict[str, object]) -> None:
    change = compare(BEFORE, after(**more))
    assert change.kind == Kind.HARMLESS
    assert change.lines


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"columns": {"book.code": Column("text", required=True, default=False)}}, "new required column book.code"),
        ({"columns": {"book.name": Column("text", required=True, default=False)}}, "book.name is required now"),
        ({"columns": {"book.name": Column("integer", required=False, default=False)}}, "book.name was text"),
        ({"columns": {"book.id": Column("integer", required=True, default=False)}}, "book.id has no default any more"),
        ({"constraints": {"book.u": Constraint("book", "u", ("name",), "UNIQUE (name)")}}, "new constraint book.u"),
        ({"constraints": {"book.e": Constraint("book", "i", (), "lower(name)")}}, "new constraint book.e"),
        (
            {
                "columns": {"book.shelf_id": TEXT},
                "constraints": {
                    "book.fk": Constraint("book", "f", ("shelf_id",), "FOREIGN KEY ... ON DELETE RESTRICT")
                },
            },
            "new constraint book.fk",
        ),
        ({"fields": {"book.name": "text"}}, "field book.name was char"),
        ({"fields": {"book.note": "char"}, "definitions": {"view 1": "b"}}, "views, rules or actions changed together"),
    ],
)
def test_what_old_code_would_trip_over_needs_a_hold(more: dict[str, object], line: str) -> None:
    change = compare(BEFORE, after(**more))
    assert change.kind == Kind.HOLD
    assert change.lines[0].startswith(line)


@pytest.mark.parametrize(
    ("gone", "line"),
    [
        ({"columns": {"book.id": BEFORE.columns["book.id"]}}, "removed column book.name"),
        ({"tables": frozenset(), "columns": {}, "constraints": {}}, "removed table book"),
        ({"fields": {}}, "removed field book.name"),
        ({"definitions": {}}, "removed view 1"),
    ],
)
def test_what_is_removed_is_missed(gone: dict[str, object], line: str) -> None:
    change = compare(BEFORE, dataclasses.replace(BEFORE, **gone))  # type: ignore[arg-type]
    assert change.kind == Kind.HOLD
    assert change.lines[0] == line


def test_a_rule_that_is_gone_harms_nobody() -> None:
    assert compare(BEFORE, dataclasses.replace(BEFORE, constraints={})).kind == Kind.NONE
