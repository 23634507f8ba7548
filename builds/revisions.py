"""Which frozen Odoo a build is made of, and which ones are still needed: see hosting/runtimes.py."""

from builds.models import Build
from hosting import runtimes, templates
from hosting.models import Pool, Runtime
from portal.commands import Output
from portal.models import State


def runtime_of(build: Build, output: Output) -> Runtime:
    """The one that was chosen for the build, else the newest of its series. Raises PlatformError."""
    if build.runtime is not None:
        return runtimes.keep(build.runtime)
    return runtimes.current(build.project.host, build.project.series, output)


def needed() -> set[int]:
    """Those of what runs, rests or is kept to roll back to, of builds that go on, and of templates."""
    made = Build.objects.exclude(runtime=None)
    used = made.exclude(pool=None).exclude(pool__state=Pool.State.GONE) | made.exclude(state=State.DONE)
    copied = Runtime.objects.frozen().filter(image_id__in=templates.alive().values("image_id"))
    return {*used.values_list("runtime", flat=True), *copied.values_list("pk", flat=True)}
