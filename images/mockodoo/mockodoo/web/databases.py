"""Which databases a request may see: Odoo's rules of `db_name`, `dbfilter` and `list_db`."""

import re

from mockodoo import postgres
from mockodoo.options import config
from mockodoo.orm.exceptions import AccessDenied


def list_databases(force: bool = False) -> list[str]:
    """Databases of our role, by name. Raises AccessDenied with `list_db = False` unless forced, and psycopg2.Error."""
    if not config["list_db"] and not force:
        raise AccessDenied
    if not config["dbfilter"] and config["db_name"]:
        return sorted(config.modules("db_name"))
    with postgres.Cursor("postgres") as cr:
        cr.execute(
            "SELECT datname FROM pg_database "
            "WHERE datdba = (SELECT usesysid FROM pg_user WHERE usename = current_user) AND NOT datistemplate "
            "AND datallowconn AND datname NOT IN ('postgres', %s) ORDER BY datname",
            (config["db_template"],),
        )
        return [row[0] for row in cr.fetchall()]


def matching(databases: list[str], host: str) -> list[str]:
    """Those that a request to `host` may use: `dbfilter` with %h (host) and %d (first label, `www.` apart)."""
    if not config["dbfilter"]:
        names = config.modules("db_name")
        return [name for name in databases if not names or name in names]
    host = host.partition(":")[0]
    label = host.removeprefix("www.").partition(".")[0]
    pattern = config["dbfilter"].replace("%h", re.escape(host)).replace("%d", re.escape(label))
    return [name for name in databases if re.match(pattern, name)]


def visible(host: str) -> list[str]:
    return matching(list_databases(force=True), host)
