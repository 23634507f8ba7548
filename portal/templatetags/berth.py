"""How Berth writes times, durations, commits and states on its pages."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal import clock, loghtml
from portal.models import Result, State

register = template.Library()
register.filter("log_lines", loghtml.render_lines)
register.filter("log_entry", loghtml.render_entry)


@dataclass(frozen=True)
class Look:
    """How a state shows itself: a colour never stands alone."""

    key: str  # names its colour, icon and favicon
    word: str
    mark: str  # for the title of a browser's tab


QUEUED = Look("queued", "Waiting", "○")
RUNNING = Look("running", "Running", "●")
NONE = Look("none", "No build yet", "")
DONE = {
    Result.SUCCESS: Look("success", "Success", "✔"),
    Result.WARNING: Look("warning", "Warnings", "▲"),
    Result.FAILURE: Look("failure", "Failed", "✖"),
    Result.CANCELLED: Look("cancelled", "Cancelled", "–"),
}


@register.filter
def look(told: object) -> Look:
    """The look of anything with `state` and `result`: a build, a story, a step; of None too."""
    state = getattr(told, "state", None)
    if state is None:
        return NONE
    if state == State.DONE:
        return DONE[Result(getattr(told, "result", ""))]
    return RUNNING if state == State.RUNNING else QUEUED


@register.simple_tag
@cache
def icon(name: str, extra: str = "") -> SafeString:
    """An icon of static/berth/icons.svg. It says nothing by itself: a word stands beside it, or a label above."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        extra,
        static("berth/icons.svg"),
        name,
    )


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """A time as people say it, with the exact one on hover."""
    if moment is None:
        return ""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        moment.strftime("%-d %B %Y, %H:%M:%S UTC"),
        relative((clock.now() - moment).total_seconds(), moment),
    )


def relative(seconds: float, moment: datetime) -> str:
    """`seconds` ago in words; a date once that says more. static/berth/berth.js counts on in the same words."""
    if seconds < 45:
        return "just now"
    if seconds < 3600:
        return f"{max(round(seconds / 60), 1)} min ago"
    if seconds < 86_400:
        return f"{max(round(seconds / 3600), 1)} h ago"
    if seconds < 7 * 86_400:
        days = max(round(seconds / 86_400), 1)
        return f"{days} day{'s' if days > 1 else ''} ago"
    return moment.strftime("%-d %b %Y")


@register.filter
def duration(seconds: float | None) -> str:
    """41 s, 3 min 12 s, 1 h 5 min."""
    if seconds is None:
        return ""
    seconds = max(seconds, 0)
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@register.filter
def took(told: object) -> float | None:
    """Seconds from the start to the end of a build, story or step, or until now where it goes on."""
    started: datetime | None = getattr(told, "started_at", None)
    finished: datetime | None = getattr(told, "finished_at", None)
    return ((finished or clock.now()) - started).total_seconds() if started else None


@register.filter
def commit(sha: str) -> SafeString | str:
    """A commit's hash in 7 characters; a click copies all 40."""
    if not sha:
        return ""
    return format_html(
        '<button type="button" class="hash" data-copy="{}" title="Copy {}" aria-label="Copy commit {}">{}</button>',
        sha,
        sha,
        sha[:7],
        sha[:7],
    )


@register.filter
def first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]


@register.filter
def initials(name: str) -> str:
    """Two letters for a person: no picture is fetched from elsewhere."""
    parts = name.replace("-", " ").replace("_", " ").split()
    return "".join(part[0] for part in parts[:2]).upper() or "?"
