"""The services behind `/jsonrpc` and `/xmlrpc/2`: common, object, db."""

from typing import Any

from mockodoo import databases as manager
from mockodoo import loading, postgres, release
from mockodoo.orm.environment import Environment
from mockodoo.orm.exceptions import AccessDenied, AccessError

from . import databases


def dispatch(service: str, method: str, arguments: list[Any]) -> Any:
    """Call `method` of a service. Raises KeyError for an unknown one, and whatever the method raises."""
    return {"common": _common, "object": _object, "db": _db}[service](method, arguments)


def _common(method: str, arguments: list[Any]) -> Any:
    if method == "version":
        return {
            "server_version": release.VERSION,
            "server_version_info": [release.MAJOR, 0, 0, "final", 0, ""],
            "server_serie": release.SERIES,
            "protocol_version": 1,
        }
    if method in ("login", "authenticate"):
        dbname, login, password = arguments[:3]
        registry = loading.current(dbname)
        with postgres.Cursor(dbname) as cr:
            try:
                return Environment(cr, 1, {}, registry=registry)["res.users"].check_credentials(login, password)
            except AccessDenied:
                return False
    raise KeyError(method)


def _object(method: str, arguments: list[Any]) -> Any:
    dbname, uid, password, model, name, *rest = arguments
    registry = loading.current(dbname)
    with postgres.Cursor(dbname) as cr:
        env = Environment(cr, 1, {}, registry=registry)
        user = env["res.users"].browse(int(uid)).exists()
        if not user or env["res.users"].check_credentials(user.login, password) != user.id:
            raise AccessDenied
        positional = rest[0] if method == "execute_kw" and rest else rest
        return call(
            env(user=user.id),
            model,
            name,
            list(positional),
            rest[1] if method == "execute_kw" and len(rest) > 1 else {},
        )


def call(env: Environment, model: str, name: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    """`execute_kw`: a public method of a model, on the ids that come first unless the method is one of the model's."""
    if name.startswith("_"):
        raise AccessError(f"Private methods (such as '{model}.{name}') cannot be called remotely.")
    records = env[model].with_context(keywords.pop("context", {}))
    of_model = name in ("create", "search", "search_read", "search_count", "name_search", "fields_get", "default_get")
    if not of_model and not hasattr(getattr(type(records), name), "_api_model"):
        ids = arguments.pop(0) if arguments else keywords.pop("ids", [])
        records = records.browse(ids if isinstance(ids, int) else list(ids))
    several = name == "create" and arguments and isinstance(arguments[0], list)
    result = getattr(records, name)(*arguments, **keywords)
    if hasattr(result, "_ids"):
        return result.id if name == "create" and not several else result.ids
    return result


def _db(method: str, arguments: list[Any]) -> Any:
    if method == "list":
        return databases.list_databases()
    if method == "server_version":
        return release.VERSION
    if method == "db_exist":
        return manager.exists(arguments[0])
    if method in ("drop", "rename", "create_database", "duplicate_database", "dump", "restore"):
        manager.check_super(arguments[0])
        return manager.by_rpc(method, arguments[1:])
    raise KeyError(method)
