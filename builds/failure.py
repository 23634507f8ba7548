"""The failure card: at which step a deploy failed, and by which command. Its last lines are open below, at the step."""

from dataclasses import dataclass

from builds.models import Build
from portal.models import Command, Result, Step


@dataclass(frozen=True)
class Card:
    """`command` is the last one that the step ran; None where it ran none."""

    step: Step
    command: Command | None


def card(build: Build) -> Card | None:
    """None while nothing failed, or where somebody cancelled."""
    step = build.story.steps.filter(result=Result.FAILURE).first() if build.story else None
    return Card(step, step.commands.order_by("pk").last()) if step else None
