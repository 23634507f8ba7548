"""What the stand-in remembers: one SQLite file, so that each change is atomic and survives a restart."""

import json
import sqlite3
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

SCHEMA = """
create table if not exists setting (name text primary key, value text not null);
create table if not exists account (
    id integer primary key, login text unique collate nocase, name text, email text, created_at text);
create table if not exists token (value text primary key, account_id integer references account, scopes text);
create table if not exists code (
    value text primary key, account_id integer references account, client_id text, redirect_uri text, scopes text,
    expires_at real);
create table if not exists repository (
    id integer primary key, owner_id integer references account, name text collate nocase, private flag,
    default_branch text, description text, created_at text, pushed_at text, unique (owner_id, name));
create table if not exists former_name (
    owner_login text collate nocase, name text collate nocase,
    repository_id integer references repository on delete cascade, primary key (owner_login, name));
create table if not exists collaborator (
    repository_id integer references repository on delete cascade, account_id integer references account,
    permission text, primary key (repository_id, account_id));
create table if not exists hook (
    id integer primary key autoincrement, repository_id integer references repository on delete cascade, url text,
    secret text, content_type text, insecure_ssl text, events document, active flag, created_at text, updated_at text);
create table if not exists delivery (
    id integer primary key autoincrement, hook_id integer references hook on delete cascade, guid text, redelivery flag,
    event text, action text, delivered_at text, duration real, status text, status_code integer,
    request_headers document, request_body text, response_headers document, response_body text);
create table if not exists status (
    id integer primary key autoincrement, repository_id integer references repository on delete cascade, sha text,
    state text, context text, description text, target_url text, creator_id integer references account,
    created_at text);
create table if not exists deploy_key (
    id integer primary key autoincrement, repository_id integer references repository on delete cascade, title text,
    key text, read_only flag, created_at text, creator_id integer references account);
insert or ignore into sqlite_sequence (name, seq) select 'hook', 400000 where not exists
    (select 1 from sqlite_sequence where name = 'hook');
"""

sqlite3.register_converter("flag", lambda raw: raw == b"1")
sqlite3.register_converter("document", json.loads)


@dataclass(frozen=True)
class Account:
    id: int
    login: str
    name: str
    email: str
    created_at: str


@dataclass(frozen=True)
class Token:
    value: str
    account_id: int
    scopes: str


@dataclass(frozen=True)
class Code:
    value: str
    account_id: int
    client_id: str
    redirect_uri: str
    scopes: str
    expires_at: float


@dataclass(frozen=True)
class Repository:
    id: int
    owner_id: int
    name: str
    private: bool
    default_branch: str
    description: str | None
    created_at: str
    pushed_at: str


@dataclass(frozen=True)
class Collaborator:
    repository_id: int
    account_id: int
    permission: str


@dataclass(frozen=True)
class Hook:
    id: int
    repository_id: int
    url: str
    secret: str
    content_type: str
    insecure_ssl: str
    events: list[str]
    active: bool
    created_at: str
    updated_at: str


@dataclass(frozen=True)
class Delivery:
    id: int
    hook_id: int
    guid: str
    redelivery: bool
    event: str
    action: str | None
    delivered_at: str
    duration: float
    status: str
    status_code: int
    request_headers: dict[str, str]
    request_body: str
    response_headers: dict[str, str]
    response_body: str


@dataclass(frozen=True)
class Status:
    id: int
    repository_id: int
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    creator_id: int
    created_at: str


@dataclass(frozen=True)
class DeployKey:
    id: int
    repository_id: int
    title: str
    key: str
    read_only: bool
    created_at: str
    creator_id: int


TABLES: dict[type, str] = {
    Account: "account",
    Token: "token",
    Code: "code",
    Repository: "repository",
    Collaborator: "collaborator",
    Hook: "hook",
    Delivery: "delivery",
    Status: "status",
    DeployKey: "deploy_key",
}
Row = TypeVar("Row")


def now() -> str:
    """The time as GitHub writes it: UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """One connection, shared by the server's threads under a lock. Conditions are SQL of ours with `?` for values."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            path, check_same_thread=False, isolation_level=None, detect_types=sqlite3.PARSE_DECLTYPES
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma foreign_keys = on")
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def select(self, kind: type[Row], where: str = "true", *values: object) -> list[Row]:
        with self._lock:
            rows = self._connection.execute(f"select * from {TABLES[kind]} where {where}", values).fetchall()
        return [kind(**dict(row)) for row in rows]

    def first(self, kind: type[Row], where: str, *values: object) -> Row | None:
        return next(iter(self.select(kind, where, *values)), None)

    def one(self, kind: type[Row], where: str, *values: object) -> Row:
        """The only row that fits. Raises ValueError where there is none, or more than one."""
        (row,) = self.select(kind, where, *values)
        return row

    def insert(self, table: str, **values: Any) -> int:
        """Add a row and return its id. Raises sqlite3.IntegrityError."""
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        statement = f"insert into {table} ({columns}) values ({marks})"
        return self.execute(statement, *[_column(value) for value in values.values()])

    def update(self, table: str, row_id: int, **values: Any) -> None:
        columns = ", ".join(f"{name} = ?" for name in values)
        self.execute(f"update {table} set {columns} where id = ?", *[_column(v) for v in values.values()], row_id)

    def execute(self, statement: str, *values: object) -> int:
        with self._lock:
            return self._connection.execute(statement, values).lastrowid or 0

    def setting(self, name: str, first_value: str) -> str:
        """The stored value of a setting, which is `first_value` from the first call on."""
        with self._lock:
            self.execute("insert or ignore into setting (name, value) values (?, ?)", name, first_value)
            row = self._connection.execute("select value from setting where name = ?", (name,)).fetchone()
            return str(row["value"])


def _column(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
