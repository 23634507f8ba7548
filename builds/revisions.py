"""Which frozen Odoo a build is made of, and which ones are still needed: see hosting/runtimes.py."""

from builds.models import Build
from hosting import runtimes, templates
from hosting.models import Pool, Runtime
from portal.commands import Output
from portal.models import State
from projects.models import Branch


def runtime_of(build: Build, output: Output) -> Runtime:
    """The one that was chosen for the build, or that its branch is pinned to, else the newest of its series. A pin that
    came while the weekly update waited keeps that one out.

    Raises PlatformError.
    """
    pinned = build.branch.runtime
    chosen = (pinned if build.trigger != Build.Trigger.NONE else None) or build.runtime or pinned
    if chosen is not None and chosen.removed_at is None:
        return runtimes.keep(chosen)
    return runtimes.current(build.project.host, build.project.series, output)


def needed() -> set[int]:
    """Those of what runs, rests or is kept to roll back to, of builds that go on, of pins, and of templates."""
    made = Build.objects.exclude(runtime=None)
    used = made.exclude(pool=None).exclude(pool__state=Pool.State.GONE) | made.exclude(state=State.DONE)
    copied = Runtime.objects.frozen().filter(image_id__in=templates.alive().values("image_id"))
    pinned = Branch.objects.alive().exclude(runtime=None)
    return {
        *pinned.values_list("runtime", flat=True),
        *used.values_list("runtime", flat=True),
        *copied.values_list("pk", flat=True),
    }
