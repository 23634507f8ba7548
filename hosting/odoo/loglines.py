"""Reads Odoo's log, whose exit code says too little: it is 0 for several failures (docs/odoo-image.md)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (?P<pid>\d+) (?P<level>[A-Z]+) (?P<database>\S+)"
    r" (?P<logger>[^\s:]+): ?(?P<message>.*)"
)
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

MAX_ENTRIES = 200
"""Errors and warnings that a report keeps of each kind: a broken run can log the same one for every record."""
MAX_LINES_OF_ENTRY = 100
MAX_LINE = 4000


@dataclass(frozen=True)
class Entry:
    """A line of Odoo's log; `details` are the lines without prefix that follow it, such as a traceback."""

    time: str
    """As Odoo writes it, UTC: `2026-11-21 20:56:29,859`."""
    pid: int
    level: str
    database: str
    """"?" where the line belongs to none."""
    logger: str
    message: str
    details: str = ""


def parse_line(line: str) -> Entry | None:
    """None for a line without Odoo's prefix, such as those of a traceback."""
    match = _LINE.match(_ANSI.sub("", line[:MAX_LINE]).rstrip())
    if match is None:
        return None
    return Entry(
        time=match["time"],
        pid=int(match["pid"]),
        level=match["level"],
        database=match["database"],
        logger=match["logger"],
        message=match["message"],
    )


def entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Odoo's log as entries, each with the lines that belong to it. Lines before the first entry are left out."""
    current: Entry | None = None
    details: list[str] = []
    for line in lines:
        entry = parse_line(line)
        if entry is None:
            if len(details) < MAX_LINES_OF_ENTRY:
                details.append(_ANSI.sub("", line[:MAX_LINE]).rstrip())
            continue
        if current is not None:
            yield _with_details(current, details)
        current, details = entry, []
    if current is not None:
        yield _with_details(current, details)


def is_about_tests(entry: Entry) -> bool:
    """Whether the entry tells of a test's result and not of the run's: those are counted by `builds.testlog`."""
    return (
        entry.logger.startswith("odoo.tests.")
        or (".tests." in entry.logger and entry.message.startswith(("FAIL: ", "ERROR: ")))
        or entry.message == "At least one test failed when loading the modules."
        or re.fullmatch(r"Module \S+: \d+ failures, \d+ errors of \d+ tests", entry.message) is not None
    )


@dataclass(frozen=True)
class RunReport:
    """What an installation or update logged. Results of tests are not in it."""

    errors: tuple[Entry, ...] = ()
    criticals: tuple[Entry, ...] = ()
    warnings: tuple[Entry, ...] = ()
    invalid_modules: tuple[str, ...] = ()
    """Names that Odoo was given and does not know."""
    not_loaded: tuple[str, ...] = ()
    """Modules that are installed, but whose code or dependencies are missing."""
    not_null_failed: tuple[str, ...] = ()
    """`table.column` of required columns that hold empty values, so that nothing keeps them filled."""
    not_initialized: bool = False
    """The database is empty, and nothing was to be installed."""

    @property
    def ok(self) -> bool:
        """Whether the log speaks of success. The exit code and the modules' states must do so too."""
        told = (self.errors, self.criticals, self.invalid_modules, self.not_loaded, self.not_null_failed)
        return not (any(told) or self.not_initialized)

    @property
    def summary(self) -> str:
        """One sentence on what went wrong first; "" when nothing did."""
        if self.not_initialized:
            return "The database is empty: Odoo was never installed in it."
        if self.invalid_modules:
            return f"Odoo does not know the modules {', '.join(self.invalid_modules)}."
        if self.criticals or self.errors:
            first = (*self.criticals, *self.errors)[0]
            return (first.details.rpartition("\n")[2] or first.message)[:500]
        if self.not_loaded:
            return f"Installed modules were not loaded: {', '.join(self.not_loaded)}."
        if self.not_null_failed:
            return f"Required columns hold empty values: {', '.join(self.not_null_failed)}."
        return ""


@dataclass
class _Found:
    by_level: dict[str, list[Entry]] = field(default_factory=lambda: {"WARNING": [], "ERROR": [], "CRITICAL": []})
    invalid: list[str] = field(default_factory=list)
    not_loaded: list[str] = field(default_factory=list)
    not_null: list[str] = field(default_factory=list)
    not_initialized: bool = False

    def take(self, entry: Entry) -> None:
        if is_about_tests(entry):
            return
        if entry.level in self.by_level and len(self.by_level[entry.level]) < MAX_ENTRIES:
            self.by_level[entry.level].append(entry)
        if match := re.match(r"invalid module names, ignored: (.*)", entry.message):
            self.invalid += match[1].split(", ")
        elif match := re.match(r"Some modules (?:are not loaded|have inconsistent states).*: \[(.*)\]", entry.message):
            self.not_loaded += re.findall(r"\w+", match[1])
        elif match := re.match(r"Table '(\w+)': unable to set NOT NULL on column '(\w+)'", entry.message):
            if entry.level != "INFO":  # INFO: Odoo tries again at the end of the run
                self.not_null.append(f"{match[1]}.{match[2]}")
        elif re.match(r"Database \S+ not initialized", entry.message):
            self.not_initialized = True


def read_run(lines: Iterable[str]) -> RunReport:
    """What the log of one installation or update says."""
    found = _Found()
    for entry in entries(lines):
        found.take(entry)
    return RunReport(
        errors=tuple(found.by_level["ERROR"]),
        criticals=tuple(found.by_level["CRITICAL"]),
        warnings=tuple(found.by_level["WARNING"]),
        invalid_modules=tuple(dict.fromkeys(found.invalid)),
        not_loaded=tuple(dict.fromkeys(found.not_loaded)),
        not_null_failed=tuple(dict.fromkeys(found.not_null)),
        not_initialized=found.not_initialized,
    )


def _with_details(entry: Entry, details: list[str]) -> Entry:
    if not details:
        return entry
    text = "\n".join(details).strip("\n")
    return Entry(entry.time, entry.pid, entry.level, entry.database, entry.logger, entry.message, text)
