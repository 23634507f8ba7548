"""Development databases from templates: what a build takes over and what it installs itself; the story of a new one.

A template has modules of Odoo alone (hosting/templates.py); those of the repository, and what they need beyond it, are
installed on its clone, and tested there. The result is that of an installation from nothing.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from builds.models import Build
from hosting import templates
from hosting.models import Template
from hosting.reconcile import FAULTS
from portal import stories
from portal.stories import Kind, StepSpec, register, step
from portal.telling import Telling
from projects.models import Branch


@dataclass(frozen=True)
class Plan:
    """`foundation`: the modules of Odoo that these need; `own`: those of the repository."""

    wanted: tuple[str, ...]
    foundation: tuple[str, ...]
    addons: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, wanted: Sequence[str], inspection: Mapping[str, Any]) -> "Plan":
        addons = {addon["name"]: addon for addon in inspection["addons"] if addon["installable"]}
        return cls(tuple(wanted), tuple(sorted(_beneath(wanted, addons) | {"base"})), addons)

    def to_install(self, template: Template) -> list[str]:
        """On a clone. Odoo installs by itself what waits for nothing but installed modules only with one of these."""
        there = set(template.installed)
        rest = [name for name in (*self.foundation, *self.wanted) if name not in there]
        waiting = (addon for addon in self.addons.values() if addon.get("auto_install"))
        rest += [addon["name"] for addon in waiting if set(addon["auto_install"]) <= there]
        return list(dict.fromkeys(rest))


def _beneath(wanted: Iterable[str], addons: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """What is not in the repository, of these modules and of all that they need."""
    waiting, seen, found = list(wanted), set[str](), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in addons:
            waiting += addons[name]["depends"]
        else:
            found.add(name)
    return found


def refusal(branch: Branch, plan: Plan) -> str:
    """Why the build installs from nothing whatever templates there are; "" where it need not."""
    if not branch.from_template:
        return "The branch's settings want it so."
    if not branch.run_tests:
        return ""
    others = [name for name in plan.wanted if name not in plan.addons and name != "base"]
    tags = [tag for tag in branch.test_tags.split(",") if tag and not tag.startswith("-")]
    if (others and not tags) or any(not _is_about(tag, plan.addons) for tag in tags):
        return "Its tests reach beyond the repository's modules, and run when those are installed."
    return ""


def _is_about(tag: str, own: Collection[str]) -> bool:
    """Whether it names one of these modules."""
    found = re.search(r"/(\w+)", tag)
    return found is not None and found[1] in own


def find(build: Build, plan: Plan) -> Template | None:
    own = plan.addons.keys()
    return templates.best(build.project.host, build.base_image_id, plan.foundation, own=own)


def want(build: Build, plan: Plan) -> None:
    """Have the one made that fits this build, for the next. Nothing happens where there is one."""
    with transaction.atomic():
        template = templates.want(build.project.host, build.project.series, build.base_image_id, plan.foundation)
        if template is not None:
            template.story = stories.begin("template", object_id=template.pk, subject=f"templates-{template.host_id}")
            template.save(update_fields=["story"])


# --- the story --------------------------------------------------------------------------------------------------------
def undo_make(template: Template, _telling: Telling) -> None:
    """Nothing of one that could not be made is left."""
    templates.let_go(template, "It could not be made")


@step("Install the modules", undo=undo_make)
def make(template: Template, telling: Telling) -> None:
    seconds = templates.make(template, telling)
    telling.say(f"{len(template.installed)} modules in {seconds:.0f} s.")


@step("Offer it to builds")
def offer(template: Template, telling: Telling) -> None:
    templates.offer(template)
    for former in templates.outdated():
        try:
            templates.let_go(former)
        except FAULTS as error:
            telling.say(f"{former} goes with the clean-up: {error}")


def steps(_template: Template) -> tuple[StepSpec, ...]:
    return (make, offer)


def load(pk: int) -> Template:
    return Template.objects.select_related("host", "instance__host", "instance__database_server").get(pk=pk)


def register_stories() -> None:
    register(Kind(name="template", queue="background", load=load, steps=steps))
