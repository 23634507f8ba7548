"""Settings as Odoo takes them: command line over configuration file over defaults.

`config` is one object for the whole process, as in Odoo, because addons read it as `odoo.tools.config`.
"""

import argparse
import configparser
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from . import release

CORE_ADDONS = Path(__file__).parent.parent / "addons"


@dataclass(frozen=True)
class Option:
    """One setting: its key in the file, its flags (none: file only), its type and its default."""

    key: str
    flags: tuple[str, ...] = ()
    default: Any = None
    type: type = str
    switch: bool | None = None  # the value that the bare flag sets

    def parse(self, text: str) -> Any:
        """A value from the configuration file. Raises ValueError."""
        if text in ("False", "None", ""):
            return False if text == "False" or self.type is bool else None
        if self.type is bool:
            return text.lower() in ("true", "1", "yes", "on")
        return self.type(text)


def _flag(key: str, *flags: str, value: bool = True, default: bool = False) -> Option:
    return Option(key, flags, default, bool, value)


OPTIONS: tuple[Option, ...] = (
    Option("init", ("-i", "--init")),
    Option("update", ("-u", "--update")),
    Option("reinit", ("--reinit",)),
    Option("without_demo", ("--without-demo",)),
    Option("pidfile", ("--pidfile",)),
    Option("addons_path", ("--addons-path",)),
    Option("upgrade_path", ("--upgrade-path",)),
    Option("pre_upgrade_scripts", ("--pre-upgrade-scripts",)),
    Option("server_wide_modules", ("--load",), release.SERVER_WIDE),
    Option("data_dir", ("-D", "--data-dir"), "/var/lib/odoo"),
    Option("http_interface", ("--http-interface",)),
    Option("http_port", ("-p", "--http-port"), 8069, int),
    Option("gevent_port", ("--gevent-port", *(("--longpolling-port",) if release.MAJOR < 17 else ())), 8072, int),
    _flag("http_enable", "--no-http", value=False, default=True),
    _flag("proxy_mode", "--proxy-mode"),
    _flag("x_sendfile", "--x-sendfile"),
    Option("dbfilter", ("--db-filter",), ""),
    Option("test_file", ("--test-file",)),
    _flag("test_enable", "--test-enable"),
    Option("test_tags", ("--test-tags",)),
    Option("screencasts", ("--screencasts",)),
    Option("screenshots", ("--screenshots",)),
    Option("logfile", ("--logfile",)),
    _flag("syslog", "--syslog"),
    Option("log_handler", ("--log-handler",)),
    _flag("log_web", "--log-web"),
    _flag("log_sql", "--log-sql"),
    Option("log_db", ("--log-db",)),
    Option("log_db_level", ("--log-db-level",), "warning"),
    Option("log_level", ("--log-level",), "info"),
    Option("email_from", ("--email-from",)),
    Option("from_filter", ("--from-filter",)),
    Option("smtp_server", ("--smtp",), "localhost"),
    Option("smtp_port", ("--smtp-port",), 25, int),
    _flag("smtp_ssl", "--smtp-ssl"),
    Option("smtp_user", ("--smtp-user",)),
    Option("smtp_password", ("--smtp-password",)),
    Option("db_name", ("-d", "--database")),
    Option("db_user", ("-r", "--db_user")),
    Option("db_password", ("-w", "--db_password")),
    Option("pg_path", ("--pg_path",)),
    Option("db_host", ("--db_host",)),
    Option("db_port", ("--db_port",), None, int),
    Option("db_sslmode", ("--db_sslmode",), "prefer"),
    Option("db_maxconn", ("--db_maxconn",), 64, int),
    Option("db_maxconn_gevent", ("--db_maxconn_gevent",), None, int),
    Option("db_template", ("--db-template",), "template0"),
    Option("load_language", ("--load-language",)),
    Option("language", ("-l", "--language")),
    _flag("overwrite_existing_translations", "--i18n-overwrite"),
    _flag("list_db", "--no-database-list", value=False, default=True),
    Option("dev_mode", ("--dev",)),
    Option("shell_interface", ("--shell-interface",)),
    _flag("stop_after_init", "--stop-after-init"),
    Option("osv_memory_count_limit", ("--osv-memory-count-limit",), 0, int),
    Option("transient_age_limit", ("--transient-age-limit",), 1.0, float),
    Option("max_cron_threads", ("--max-cron-threads",), 2, int),
    Option("limit_time_worker_cron", ("--limit-time-worker-cron",), 0, int),
    _flag("unaccent", "--unaccent"),
    Option("geoip_city_db", ("--geoip-city-db",)),
    Option("geoip_country_db", ("--geoip-country-db",)),
    Option("workers", ("--workers",), 0, int),
    Option("limit_memory_soft", ("--limit-memory-soft",), 2048 << 20, int),
    Option("limit_memory_soft_gevent", ("--limit-memory-soft-gevent",), None, int),
    Option("limit_memory_hard", ("--limit-memory-hard",), 2560 << 20, int),
    Option("limit_memory_hard_gevent", ("--limit-memory-hard-gevent",), None, int),
    Option("limit_time_cpu", ("--limit-time-cpu",), 60, int),
    Option("limit_time_real", ("--limit-time-real",), 120, int),
    Option("limit_time_real_cron", ("--limit-time-real-cron",), -1, int),
    Option("limit_request", ("--limit-request",), 65536, int),
    Option("admin_passwd", (), "admin"),
)
if release.MAJOR >= 19:
    OPTIONS += (_flag("with_demo", "--with-demo"),)


class Config:
    """All settings by key, `config["workers"]`; other sections of the file in `misc`, as in Odoo."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {option.key: option.default for option in OPTIONS}
        self.misc: dict[str, dict[str, str]] = {}
        self.rcfile = ""

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.values[key] = value

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def modules(self, key: str) -> list[str]:
        """A comma-separated setting as a list: `init`, `update`, `db_name`, `server_wide_modules`."""
        return [name.strip() for name in (self.values[key] or "").split(",") if name.strip()]

    @property
    def addons_paths(self) -> list[Path]:
        return [CORE_ADDONS, *(Path(path) for path in self.modules("addons_path"))]

    def filestore(self, dbname: str) -> Path:
        return Path(self["data_dir"]) / "filestore" / dbname

    @property
    def sessions(self) -> Path:
        return Path(self["data_dir"]) / "sessions"

    def load_file(self, path: str) -> None:
        """Read a configuration file over what is set. A file that is not there is passed over, as Odoo does."""
        self.rcfile = path
        parser = configparser.RawConfigParser()
        parser.read(path)
        types = {option.key: option for option in OPTIONS}
        for section in parser.sections():
            if section != "options":
                self.misc[section] = dict(parser[section])
                continue
            for key, text in parser[section].items():
                option = types.get(key)
                self.values[key] = option.parse(text) if option else text


config = Config()


def parse(arguments: list[str], program: str = "odoo") -> None:
    """Fill `config`. Ends the process with exit code 2 for an unknown flag or an unusable addons path."""
    parser = _parser(program)
    given = vars(parser.parse_args(arguments))
    chosen = given.pop("config")
    if chosen and not os.access(chosen, os.R_OK):
        fail(parser, f"The config file '{chosen}' selected with -c/--config doesn't exist or is not readable")
    config.load_file(chosen or os.environ.get("ODOO_RC", "/etc/odoo/odoo.conf"))
    if given.pop("save"):
        fail(parser, "the stand-in does not write configuration files")
    config.values.update(given)
    if config["test_file"] or config["test_tags"]:
        config["test_enable"] = True
    _check_addons_paths(parser)


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, argument_default=argparse.SUPPRESS)
    parser.add_argument("-c", "--config", default=None)
    parser.add_argument("-s", "--save", action="store_true", default=False)
    parser.add_argument("--version", action="version", version=f"Odoo Server {release.VERSION}")
    for option in OPTIONS:
        if option.switch is not None:
            parser.add_argument(*option.flags, dest=option.key, action="store_const", const=option.switch)
        elif option.flags:
            parser.add_argument(*option.flags, dest=option.key, type=option.type)
    return parser


def _check_addons_paths(parser: argparse.ArgumentParser) -> None:
    for path in config.addons_paths:
        if not path.is_dir() or not (path == Path("/mnt/extra-addons") or any(path.glob("*/__manifest__.py"))):
            fail(parser, f"option --addons-path: the path '{path}' is not a valid addons directory")


def fail(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    parser.print_usage(sys.stderr)
    print(f"\n{parser.prog}: error: {message}", file=sys.stderr)
    sys.exit(2)
