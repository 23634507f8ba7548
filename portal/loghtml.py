"""Output of programs as HTML: everything escaped, ANSI colours as classes, lines of Odoo's log marked by level."""

import re
from collections.abc import Iterator

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

LONGEST_LINE = 4_000  # characters; what is longer is cut, with a word about it
LONGEST_ENTRY = 500  # lines

_ESCAPE = re.compile(r"\x1b(?:\[([0-9;?]*)([A-Za-z])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LEVEL = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \d+ (DEBUG|INFO|WARNING|ERROR|CRITICAL) ")
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")


def level_of(line: str) -> str:
    """The level of a line in Odoo's format, in small letters; "" for any other line."""
    found = _LEVEL.match(_ESCAPE.sub("", line[:200]))
    return found[1].lower() if found else ""


def render_line(line: str) -> SafeString:
    """One line without its end."""
    if len(line) > LONGEST_LINE:
        line = f"{line[:LONGEST_LINE]} … ({len(line) - LONGEST_LINE:,} more characters)"
    line = line.rstrip("\r").rpartition("\r")[2]  # a progress bar overwrites itself: show what it came to
    return mark_safe("".join(_spans(line)))  # _spans escapes


def render_entry(text: str) -> SafeString:
    """A line of a log with those that belong to it, such as a traceback."""
    lines = text.split("\n")
    made = [render_line(line) for line in lines[:LONGEST_ENTRY]]
    if len(lines) > LONGEST_ENTRY:
        made.append(escape(f"… ({len(lines) - LONGEST_ENTRY:,} more lines)"))
    return mark_safe("\n".join(made))


def render_lines(text: str) -> SafeString:
    """Lines as elements. What follows an error without a prefix of its own (a traceback) gets its level."""
    made, level, inside = [], "", False
    for line in text.removesuffix("\n").split("\n"):
        indented = line.startswith((" ", "\t", "Traceback"))
        level = level_of(line) or (level if indented or inside else "")
        inside = indented  # the line that ends a traceback is not indented, and belongs to it
        name = f"line {level}" if level else "line"
        made.append(f'<span class="{name}">{render_line(line)}\n</span>')
    return mark_safe("".join(made))


def _spans(line: str) -> Iterator[str]:
    """Pieces of the line between escape sequences, each in the classes that hold there."""
    classes: set[str] = set()
    at = 0
    for found in _ESCAPE.finditer(line):
        yield _span(line[at : found.start()], classes)
        at = found.end()
        if found[2] == "m":
            classes = _after(classes, found[1])
    yield _span(line[at:], classes)


def _span(text: str, classes: set[str]) -> str:
    clean = escape(_CONTROL.sub("", text))
    return f'<span class="{" ".join(sorted(classes))}">{clean}</span>' if classes and clean else clean


def _after(classes: set[str], parameters: str) -> set[str]:
    """The classes after a "select graphic rendition" sequence (ECMA-48, 8.3.117): bold and the foreground colours."""
    for code in (int(part) if part.isdecimal() else 0 for part in parameters.split(";")):
        if code == 0:
            classes = set()
        elif code == 1:
            classes = classes | {"ansi-bold"}
        elif code == 22:
            classes = classes - {"ansi-bold"}
        elif code == 39:
            classes = {name for name in classes if name == "ansi-bold"}
        elif 30 <= code <= 37 or 90 <= code <= 97:
            colour = _COLOURS[code % 10]
            classes = {name for name in classes if name == "ansi-bold"} | {f"ansi-{colour}"}
    return classes
