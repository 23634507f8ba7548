"""Requirements files: which there are, what may stand in them, which lines concern a package.

A customer's file is given to pip as it is, in a build container that has nothing else of the repository; so what is
refused here is refused to say early and clearly what pip could not do, and to keep passwords out of the image.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from builds.findings import Problem, Severity

FILE = "requirements.txt"
MAX_BYTES = 200_000
MAX_FILES = 100

_LOCAL = re.compile(r"(?:file:|\.{1,2}(?:/|$)|/|~)|.*\.(?:whl|tar\.gz|zip)(?:\s|;|$)(?<!://)", re.IGNORECASE)
_URL = re.compile(r"(?:^|[\s@=])((?:[a-z]+\+)?[a-z]+)://(?:([^/@\s]+)@)?", re.IGNORECASE)
_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)")
_NAME = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")


@dataclass(frozen=True)
class Line:
    path: str
    """Relative to the repository."""
    number: int
    text: str


def read_lines(tree: Path, path: str) -> list[Line]:
    """The logical lines of a file: comments and empty ones left out, continued ones joined."""
    text = (tree / path).read_bytes()[:MAX_BYTES].decode("utf-8", errors="replace").lstrip("\ufeff")
    lines: list[Line] = []
    begun, start = "", 0
    for number, row in enumerate(text.splitlines(), start=1):
        row = re.sub(r"(?:^|\s)#.*", "", row).rstrip()
        start = start or number
        if row.endswith("\\"):
            begun += row[:-1] + " "
            continue
        if joined := (begun + row).strip():
            lines.append(Line(path, start, joined))
        begun, start = "", 0
    return lines


def with_included(tree: Path, paths: Iterable[str]) -> tuple[list[str], list[Problem]]:
    """The files, and those which they include by `-r` and `-c`; and those that can't be included."""
    waiting, found, problems = list(paths), list[str](), list[Problem]()
    while waiting and len(found) < MAX_FILES:
        path = waiting.pop(0)
        if path in found:
            continue
        if not re.fullmatch(r"[\w./@+-]+", path):
            problems.append(_problem(Line(path, 1, ""), "The path of the file has spaces or odd characters."))
            continue
        found.append(path)
        for line in read_lines(tree, path):
            match = _INCLUDE.fullmatch(line.text)
            if match is None:
                continue
            included = os.path.normpath(os.path.join(os.path.dirname(path), match[1]))
            if os.path.isabs(included) or included.startswith("..") or not is_plain_file(tree, included):
                problems.append(_problem(line, f"It includes {match[1]}, which is not in the repository."))
            else:
                waiting.append(included)
    return found, problems


def is_plain_file(tree: Path, path: str) -> bool:
    """Whether it is a file and no part of its path a link: a link's end would not be in the image's context."""
    place = tree / path
    return place.is_file() and os.path.realpath(place) == os.path.join(os.path.realpath(tree), path)


def check(lines: Iterable[Line]) -> Iterator[Problem]:
    """What in these lines can't be installed."""
    for line in lines:
        if reason := _refusal(line.text):
            yield _problem(line, reason)


def _refusal(text: str) -> str:
    if re.match(r"-e\b|--editable", text):
        return "Editable packages can't be installed."
    if _LOCAL.match(text) and "://" not in text.partition("file:")[0]:
        return "Packages from a folder or file can't be installed."
    if re.match(r"--(?:trusted-host|config-settings|global-option)", text):
        return "This option is not allowed."
    for url in _URL.finditer(text):
        if url[1].lower() not in ("https", "git+https"):
            return f"Only https:// and git+https:// addresses are allowed, not {url[1]}://."
        if url[2]:
            return "It has a user or password in it, which everybody could read in the image."
    return ""


def _problem(line: Line, reason: str) -> Problem:
    return Problem(
        Severity.ERROR,
        "A requirement can't be installed",
        reason,
        f"{line.path}:{line.number}",
        "Use a package of PyPI, or name==version, or name @ git+https://HOST/OWNER/NAME@TAG.",
    )


def normal(name: str) -> str:
    """A package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def about(lines: Iterable[Line], packages: Iterable[str]) -> tuple[str, ...]:
    """What the lines say of these packages; the bare name of one that no line speaks of."""
    by_name: dict[str, str] = {}
    for line in lines:
        if match := _NAME.match(line.text):
            by_name[normal(match[1])] = line.text
    names = {normal(match[1]) for package in packages if (match := _NAME.match(package))}
    return tuple(by_name.get(name, name) for name in sorted(names))
