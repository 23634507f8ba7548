"""Where a project's Git mirror is."""

from pathlib import Path

from django.conf import settings

from builds.models import Build
from projects.git import Mirror, UrlPolicy


def mirror(build: Build) -> Mirror:
    private = settings.BERTH_GIT_ALLOW_PRIVATE
    policy = UrlPolicy(allow_private=private, allow_http=private)
    return Mirror(Path(settings.BERTH_HOME) / "git" / f"p{build.project_id}.git", policy)
