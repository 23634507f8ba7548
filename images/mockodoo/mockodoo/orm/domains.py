"""Search domains (`[("name", "=", "x"), "|", ...]`) as SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mockodoo.postgres import identifier

from .relations import Many2many, Many2one, One2many

if TYPE_CHECKING:
    from .models import Model

Sql = tuple[str, list[Any]]

COMPARISONS = {"=", "!=", "<", ">", "<=", ">="}
PATTERNS = {
    "like": ("LIKE", "%{}%"),
    "ilike": ("ILIKE", "%{}%"),
    "not like": ("NOT LIKE", "%{}%"),
    "not ilike": ("NOT ILIKE", "%{}%"),
    "=like": ("LIKE", "{}"),
    "=ilike": ("ILIKE", "{}"),
}


def to_sql(model: Model, domain: list[Any]) -> Sql:
    """The WHERE clause of a domain and its parameters. Raises ValueError."""
    stack: list[Sql] = []
    for term in reversed(domain):
        if term == "!":
            clause, parameters = stack.pop()
            stack.append((f"NOT ({clause})", parameters))
        elif term in ("&", "|"):
            (left, first), (right, second) = stack.pop(), stack.pop()
            stack.append((f"({left} {'AND' if term == '&' else 'OR'} {right})", first + second))
        else:
            stack.append(_leaf(model, *term))
    stack.reverse()
    return " AND ".join(clause for clause, _ in stack) or "TRUE", [value for _, values in stack for value in values]


def _leaf(model: Model, path: Any, operator: str, value: Any) -> Sql:
    if path == 1 or path == 0:  # the constants (1, '=', 1) and (0, '=', 1)
        return ("TRUE" if path == value else "FALSE"), []
    name, _, rest = path.partition(".")
    if name not in model._fields:
        raise ValueError(f"Invalid field {model._name}.{name} in leaf {(path, operator, value)!r}")
    field = model._fields[name]
    if isinstance(field, One2many | Many2many):
        return _through_relation(model, field, rest, operator, value)
    column = f"{identifier(model._table)}.{identifier(name)}"
    if rest and isinstance(field, Many2one):
        return _within(column, model.env[field.comodel_name], [(rest, operator, value)])
    if isinstance(field, Many2one) and isinstance(value, str):
        return _within(column, model.env[field.comodel_name], [("name", operator, value)])
    return _column(column, field, operator, value)


def _column(column: str, field: Any, operator: str, value: Any) -> Sql:
    operator = operator.lower()
    if operator in PATTERNS:
        keyword, pattern = PATTERNS[operator]
        return f"{column}::text {keyword} %s", [pattern.format(value)]
    if operator in ("in", "not in"):
        values = [field.to_column(one) for one in (value if isinstance(value, list | tuple | set) else value.ids)]
        clause = f"({column} = ANY(%s){f' OR {column} IS NULL' if None in values else ''})"
        return (clause if operator == "in" else f"NOT COALESCE({clause}, FALSE)"), [
            [v for v in values if v is not None]
        ]
    if operator not in COMPARISONS:
        raise ValueError(f"Invalid operator {operator!r} in a domain")
    if value is False or value is None:
        return _absent(column, field, operator)
    clause = f"{column} {operator} %s"
    return (f"({clause} OR {column} IS NULL)" if operator == "!=" else clause), [field.to_column(value)]


def _absent(column: str, field: Any, operator: str) -> Sql:
    test = f"({column} IS NULL OR {column} = FALSE)" if field.type == "boolean" else f"{column} IS NULL"
    return (test if operator == "=" else f"NOT {test}"), []


def _within(column: str, comodel: Model, domain: list[Any]) -> Sql:
    clause, parameters = to_sql(comodel, domain)
    return f"{column} IN (SELECT id FROM {identifier(comodel._table)} WHERE {clause})", parameters


def _through_relation(model: Model, field: One2many | Many2many, rest: str, operator: str, value: Any) -> Sql:
    comodel = model.env[field.comodel_name]
    if not rest and isinstance(value, int):
        value = [value] if value else []
        operator = {"=": "in", "!=": "not in"}.get(operator, operator)
    clause, parameters = to_sql(comodel, [(rest or "id", operator, value)])
    if isinstance(field, One2many):
        source = f"SELECT {identifier(field.inverse_name)} FROM {identifier(comodel._table)} WHERE {clause}"
    else:
        table, mine, theirs = (identifier(name) for name in field.names(type(model), type(comodel)))
        inner = f"SELECT id FROM {identifier(comodel._table)} WHERE {clause}"
        source = f"SELECT {mine} FROM {table} WHERE {theirs} IN ({inner})"
    return f"{identifier(model._table)}.id IN ({source})", parameters
