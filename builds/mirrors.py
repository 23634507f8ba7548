"""Where a project's Git mirror is."""

from pathlib import Path

from django.conf import settings

from builds.models import Build
from projects.deploykeys import Ring, policy
from projects.git import Mirror


def mirror(build: Build) -> Mirror:
    path = Path(settings.BERTH_HOME) / "git" / f"p{build.project_id}.git"
    return Mirror(path, policy(), keys=Ring(build.project))
