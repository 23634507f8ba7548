"""The story of a resize: other memory and cores for a branch's database, without a restart and without waiting for
builds."""

from decimal import Decimal

from django.db import transaction

from builds.models import Resize
from hosting import pools
from hosting import resize as sizes
from hosting.engines.docker import LimitRefused
from hosting.odoo import floors, series
from portal import audit, stories
from portal.models import User
from portal.stories import Kind, ProjectError, StepSpec, register, step
from portal.telling import Telling
from projects.models import Branch


@transaction.atomic
def ask(*, branch: Branch, size: Branch, by: User) -> Resize:
    """Write the wish down and ring for its story. `size` is the branch with the memory and cores that are wanted.

    Its subject is its own, so that it need not wait for a build of the branch.
    """
    wish = Resize.objects.create(branch=branch, asked_by=by, memory_mb=size.memory_mb, cpus=size.cpus)
    wish.story = stories.begin("resize", object_id=wish.pk, subject=f"resize-{branch.pk}")
    wish.save(update_fields=["story"])
    return wish


@step("Change memory and cores")
def change_size(wish: Resize, telling: Telling) -> None:
    """First the containers, then the rows: what is refused there is nowhere written down."""
    branch, instance = wish.branch, wish.branch.instance
    major = series.find(branch.project.series).major
    memory = floors.granted_memory(wish.memory_mb * floors.MIB, major) // floors.MIB
    cpus = pools.cores(wish.cpus)
    try:
        with transaction.atomic():
            if instance is not None:
                sizes.resize(instance, memory_mb=memory, cpus=cpus)
            _write_down(wish)
    except LimitRefused as refusal:
        raise ProjectError("The size was not changed", str(refusal), "") from refusal
    telling.say(f"{branch}: {memory:,} MB and {float(cpus):g} cores for each container.")


def _write_down(wish: Resize) -> None:
    branch = wish.branch
    before = {"memory_mb": branch.memory_mb, "cpus": _plain(branch.cpus)}
    after = {"memory_mb": wish.memory_mb, "cpus": _plain(wish.cpus)}
    Branch.objects.filter(pk=branch.pk).update(memory_mb=wish.memory_mb, cpus=wish.cpus)
    if before != after:  # else the story is told again
        audit.record(
            by=wish.asked_by,
            verb="resize",
            object=branch.name,
            project_id=branch.project_id,
            before=before,
            after=after,
        )


def _plain(cpus: Decimal | None) -> str | None:
    return None if cpus is None else f"{float(cpus):g}"


def load(pk: int) -> Resize:
    related = ("branch__project", "branch__instance__host", "asked_by")
    return Resize.objects.select_related(*related).get(pk=pk)


def steps(_wish: Resize) -> tuple[StepSpec, ...]:
    return (change_size,)


def register_stories() -> None:
    register(Kind(name="resize", queue="urgent", load=load, steps=steps))
