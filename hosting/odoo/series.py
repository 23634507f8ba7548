"""The Odoo series that Berth runs, and how they differ: all that does is here, and in hosting/odoo/lives.py.

Sources: `odoo/tools/config.py` and `odoo/service/server.py` of each series, and the command line reference
(https://www.odoo.com/documentation/19.0/developer/reference/cli.html).
"""

from dataclasses import dataclass


class UnknownSeries(ValueError):
    """A series that Berth doesn't run."""


@dataclass(frozen=True)
class Series:
    name: str
    demo: tuple[str, ...]
    """What the command line needs so that new databases get demo data."""
    no_demo: tuple[str, ...]
    server_wide_modules: tuple[str, ...]
    python: tuple[int, int]
    """In the official images: what a module's code may be written in."""
    gevent_port_option: str = "gevent_port"
    limits_connections_of_gevent: bool = True
    """Whether `db_maxconn_gevent` exists (17.0 and later)."""

    @property
    def major(self) -> int:
        return int(self.name.partition(".")[0])


SERIES = {
    series.name: series
    for series in (
        Series("16.0", (), ("--without-demo=all",), ("base", "web"), (3, 9), limits_connections_of_gevent=False),
        Series("17.0", (), ("--without-demo=all",), ("base", "web"), (3, 10)),
        Series("18.0", (), ("--without-demo=all",), ("base", "web"), (3, 12)),
        Series("19.0", ("--with-demo",), (), ("base", "rpc", "web"), (3, 12)),
    )
}


def find(name: str) -> Series:
    """Raises UnknownSeries."""
    try:
        return SERIES[name]
    except KeyError:
        raise UnknownSeries(
            f"Odoo {name[:20]!r} is not a series that Berth runs. Choose one of {', '.join(SERIES)}."
        ) from None
