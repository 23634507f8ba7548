"""Typed readers for the environment. Each fails loudly, with the name of the variable and a hint."""

import os
from pathlib import Path


class BadEnvironment(Exception):
    """A variable is missing or cannot be read as what it should be."""


_file: dict[str, str] = {}


def load(path: Path) -> None:
    """Read KEY=value lines from the file that `bin/up` writes; real environment variables win over it."""
    if path.exists():
        for line in path.read_text().splitlines():
            key, separator, value = line.partition("=")
            if separator and not line.lstrip().startswith("#"):
                _file[key.strip()] = value.strip()


def forget() -> None:
    """What the settings have taken from the file stays there; a process that needs no more than that keeps no more."""
    _file.clear()


def text(name: str, default: str | None = None, *, hint: str = "") -> str:
    value = os.environ.get(name, _file.get(name, default))
    if value is None:
        raise BadEnvironment(f"{name} is not set. {hint or 'bin/up writes it into $BERTH_HOME/.env.'}")
    return value


def secret(name: str) -> str:
    """A secret of at least 16 characters that isn't a default one."""
    value = text(name)
    if len(value) < 16 or "change" in value.lower():
        raise BadEnvironment(
            f"{name} is too short or a default. Put a long random value there, or let bin/up make one."
        )
    return value


def number(name: str, default: int) -> int:
    value = text(name, str(default))
    if not value.isdecimal():
        raise BadEnvironment(f"{name} must be a whole number, not {value!r}.")
    return int(value)


def flag(name: str, default: bool) -> bool:
    value = text(name, "on" if default else "off").lower()
    if value not in {"on", "off", "1", "0", "true", "false", "yes", "no"}:
        raise BadEnvironment(f"{name} must be on or off, not {value!r}.")
    return value in {"on", "1", "true", "yes"}


def pairs(name: str, default: str) -> dict[str, str]:
    """`a=b,c=d` as a dictionary."""
    found: dict[str, str] = {}
    for part in filter(None, text(name, default).split(",")):
        key, separator, value = part.partition("=")
        if not separator or not key.strip() or not value.strip():
            raise BadEnvironment(f"{name} must read like 'key=value,key=value', not {part!r}.")
        found[key.strip()] = value.strip()
    return found
