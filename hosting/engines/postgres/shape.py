"""What a database looks like to code: tables, columns, constraints, and what Odoo's own rows say about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """`default` says whether a row that doesn't mention the column gets a value by itself."""

    type: str
    required: bool
    default: bool


@dataclass(frozen=True)
class Constraint:
    """`kind` is PostgreSQL's letter: p, u, f, c, x. A unique index without a constraint is an i."""

    table: str
    kind: str
    columns: tuple[str, ...]
    definition: str


@dataclass(frozen=True)
class Shape:
    """By name. Tables and columns as `table.column`; `fields` are Odoo's (`model.field` -> type); `definitions` are
    the digests of rows that speak of fields and methods: views, rules, server actions.
    """

    tables: frozenset[str] = frozenset()
    columns: Mapping[str, Column] = field(default_factory=dict)
    constraints: Mapping[str, Constraint] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)


LIMIT = 200_000  # rows of each kind; the tenant wrote them

COLUMNS = f"""
    SELECT left(c.relname, 63), left(a.attname, 63), left(format_type(a.atttypid, a.atttypmod), 200), a.attnotnull,
           a.atthasdef OR a.attidentity <> ''
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
      AND a.attnum > 0 AND NOT a.attisdropped LIMIT {LIMIT}
"""
CONSTRAINTS = f"""
    SELECT left(c.relname, 63) || '.' || left(o.conname, 63), left(c.relname, 63), o.contype::text,
           ARRAY(SELECT attname::text FROM pg_attribute a WHERE a.attrelid = o.conrelid AND a.attnum = ANY (o.conkey)),
           left(pg_get_constraintdef(o.oid), 2000)
    FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
    WHERE c.relnamespace = 'public'::regnamespace AND o.contype IN ('p', 'u', 'f', 'c', 'x')
    UNION ALL
    SELECT left(c.relname, 63) || '.' || left(n.relname, 63), left(c.relname, 63), 'i',
           ARRAY(SELECT attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)),
           left(pg_get_indexdef(i.indexrelid), 2000)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class n ON n.oid = i.indexrelid
    WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique
      AND NOT EXISTS (SELECT 1 FROM pg_constraint o WHERE o.conindid = i.indexrelid) LIMIT {LIMIT}
"""
FIELDS = f"""
    SELECT left(model::text, 200) || '.' || left(name::text, 200), left(ttype::text, 50)
    FROM public.ir_model_fields LIMIT {LIMIT}
"""
DEFINITIONS = {  # through JSON: a column that a series doesn't have is empty
    kind: f"SELECT id::text, md5(coalesce(to_jsonb(t) ->> '{column}', '')) FROM public.{table} t LIMIT {LIMIT}"
    for kind, table, column in (
        ("view", "ir_ui_view", "arch_db"),
        ("rule", "ir_rule", "domain_force"),
        ("server action", "ir_act_server", "code"),
    )
}
