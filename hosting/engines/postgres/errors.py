"""What PostgreSQL may refuse, in words that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import psycopg
from psycopg import errors


class DatabaseError(Exception):
    """Something PostgreSQL refused. The text says what was wrong and what to do; `transient` whether to try again."""

    transient: ClassVar[bool] = False


class ServerUnreachable(DatabaseError):
    transient = True


class AccessDenied(DatabaseError):
    pass


class DatabaseMissing(DatabaseError):
    pass


class DatabaseInUse(DatabaseError):
    transient = True


class ServerFull(DatabaseError):
    pass


class TookTooLong(DatabaseError):
    transient = True


class ServerTooOld(DatabaseError):
    pass


class InvalidName(DatabaseError):
    pass


class TableMissing(DatabaseError):
    pass


_TRANSLATIONS: tuple[tuple[tuple[type[psycopg.Error], ...], type[DatabaseError], str], ...] = (
    ((errors.UndefinedTable,), TableMissing, "This database has no Odoo in it."),
    ((errors.InvalidCatalogName, errors.UndefinedObject), DatabaseMissing, "Check its name, or create it again."),
    ((errors.ObjectInUse, errors.DependentObjectsStillExist, errors.DuplicateDatabase, errors.DuplicateObject),
     DatabaseInUse, "Nothing was changed. Stop what uses it, then try again."),
    ((errors.InsufficientPrivilege, errors.InvalidPassword, errors.InvalidAuthorizationSpecification),
     AccessDenied, "Check the password and the rights of the role that Berth uses."),
    ((errors.DiskFull, errors.OutOfMemory, errors.TooManyConnections, errors.ConfigurationLimitExceeded),
     ServerFull, "Free some room on the database server, then try again."),
    ((errors.QueryCanceled, errors.LockNotAvailable), TookTooLong, "Nothing was changed. Try again later."),
    ((errors.CannotConnectNow, errors.AdminShutdown, errors.CrashShutdown), ServerUnreachable, "Try again soon."),
)  # fmt: skip


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        for kinds, exception, advice in _TRANSLATIONS:
            if isinstance(error, kinds):
                raise exception(f"{_first_line(error)}. {advice}") from error
        if isinstance(error, psycopg.OperationalError):
            raise _connection_failure(error) from error
        raise DatabaseError(f"PostgreSQL refused: {_first_line(error)}. See the server's log for more.") from error


def _connection_failure(error: psycopg.OperationalError) -> DatabaseError:
    """libpq gives no code when connecting fails, only the server's words."""
    text = _first_line(error)
    for sign, exception, advice in (
        ("does not exist", DatabaseMissing, "Check its name, or create it again."),
        ("authentication failed", AccessDenied, "Check the password that Berth has for this role."),
        ("permission denied", AccessDenied, "This role may not enter that database."),
        ("no pg_hba.conf entry", AccessDenied, "Allow this address in the server's pg_hba.conf."),
        ("too many", ServerFull, "Wait until connections have ended, or raise the limit."),
        ("not currently accepting connections", AccessDenied, "This database was closed on purpose; open it first."),
    ):
        if sign in text:
            return exception(f"{text}. {advice}")
    return ServerUnreachable(f"PostgreSQL can't be reached: {text}. Check that it runs; nothing was changed.")


def _first_line(error: psycopg.Error) -> str:
    """What the server said, without lines that repeat the statement; capped, as tenants can raise any text."""
    text = error.diag.message_primary or str(error).strip().partition("\n")[0]
    return text[:500].rstrip(".")
