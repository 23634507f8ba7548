"""An older build of production is deployed again: with its image, while that is still there."""

import re
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from builds.begin import begin
from builds.models import Build
from hosting import machines
from hosting.models import Instance
from portal import audit
from portal.models import User
from portal.stories import ProjectError
from portal.telling import Telling


@transaction.atomic
def deploy_again(*, build: Build, by: User) -> Build:
    """A new build of the older commit, from the older one's image. Raises ProjectError, and changes nothing then."""
    refuse_serving(build)
    message, author, older = build.message, build.author, with_image(build)
    again = begin(branch=build.branch, commit=build.commit, by=by, message=message, author=author, image_of=older)
    audit.record(
        by=by, verb="deploy again", object=str(build), project_id=build.project_id, after={"build": again.number}
    )
    return again


def with_image(build: Build) -> Build | None:
    """The build whose image is taken where this one is deployed again. None: it came to none, and one is made."""
    return (build.image_of or build) if build.image_id else None


def refuse_serving(build: Build) -> None:
    """As `refuse_newer`, by what the build that serves now has: the web processes don't ask hosted databases."""
    serving = Build.objects.serving(build.instance) if build.instance is not None else None
    addons = serving.inspection.get("addons", ()) if serving else ()
    refuse_newer(build, {addon["name"]: addon["full_version"] for addon in addons})


def refuse_newer(build: Build, installed: Mapping[str, str]) -> None:
    """Old code doesn't know what newer versions of its modules made of the database. Raises ProjectError."""
    ahead = newer(installed, build.inspection)
    if ahead:
        raise ProjectError(
            f"The database is ahead of {build.short}",
            "It has newer versions of modules than that code: " + ", ".join(ahead) + ". Nothing was changed.",
            "Push a commit that takes the change back and raises these modules' versions.",
        )


def newer(installed: Mapping[str, str], inspection: Mapping[str, Any]) -> list[str]:
    """Modules of which a newer version is installed than the code of a build has, each with both versions."""
    return [
        f"{addon['name']} {installed[addon['name']]} (that build has {addon['full_version']})"
        for addon in inspection.get("addons", ())
        if _numbers(installed.get(addon["name"], "")) > _numbers(addon["full_version"])
    ]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def has_image(build: Build) -> bool:
    """Whether it deploys an older build's image that is still there, and fetches nothing."""
    older = build.image_of
    return older is not None and machines.engine(build.project.host).image(older.image_id) is not None


def take_over(build: Build, telling: Telling) -> bool:
    """Take image and inspection of the build that is deployed again. False where it is none, or its image is gone."""
    older = build.image_of
    if older is None:
        return False
    instance = build.branch.instance
    if instance is not None and instance.state == Instance.State.READY:
        states = machines.database(instance).module_states()
        refuse_newer(older, {module.name: module.version for module in states if module.state == "installed"})
    if not has_image(build):
        telling.say(f"The image of build #{older.number} is gone: it is made again.")
        build.image_of = None
        build.save(update_fields=["image_of"])
        return False
    telling.say(f"The image of build #{older.number} is still there and is used again: nothing is fetched or built.")
    build.image_id, build.odoo_image, build.inspection = older.image_id, older.odoo_image, older.inspection
    build.runtime_id = older.runtime_id
    build.save(update_fields=["image_id", "odoo_image", "inspection", "runtime"])
    return True
