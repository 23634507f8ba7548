"""What the age of its series of Odoo means for a project: see hosting/odoo/lives.py."""

from hosting.odoo import lives
from portal import clock
from portal.stories import ProjectError
from projects.models import Project


def notice(project: Project) -> str:
    """What its members see on all pages, "" while Odoo supports the series."""
    return lives.notice(project.series, clock.now().date())


def refusal(series: str) -> str:
    """Why nothing new is made of a series, "" where it is."""
    return lives.refusal(series, clock.now().date())


def check(project: Project) -> None:
    """Raises ProjectError where nothing new may be built."""
    refused = refusal(project.series)
    if refused:
        raise ProjectError(
            f"Nothing is built for {project}",
            f"{refused} What runs goes on running. Nothing was changed.",
            "Upgrade to a series that Odoo supports. Backups can be downloaded, and older builds deployed again.",
        )
