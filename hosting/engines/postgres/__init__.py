"""Speaks to PostgreSQL: `Server` as the administrator of a cluster, `InstanceDatabase` as the role of one database."""

from hosting.engines.postgres.errors import (
    AccessDenied,
    DatabaseError,
    DatabaseInUse,
    DatabaseMissing,
    InvalidName,
    ServerFull,
    ServerTooOld,
    ServerUnreachable,
    TookTooLong,
)
from hosting.engines.postgres.instance import InstanceDatabase, ModuleState
from hosting.engines.postgres.server import EXTENSIONS, FIXED_IN, Load, Server, Version, gate
from hosting.engines.postgres.shape import Column, Constraint, Shape
from hosting.engines.postgres.switches import Switch, emptied

__all__ = [
    "EXTENSIONS",
    "FIXED_IN",
    "AccessDenied",
    "Column",
    "Constraint",
    "DatabaseError",
    "DatabaseInUse",
    "DatabaseMissing",
    "InstanceDatabase",
    "InvalidName",
    "Load",
    "ModuleState",
    "Server",
    "ServerFull",
    "ServerTooOld",
    "ServerUnreachable",
    "Shape",
    "Switch",
    "TookTooLong",
    "Version",
    "emptied",
    "gate",
]
