"""What every page knows about the installation."""

from django.conf import settings
from django.http import HttpRequest


def installation(_request: HttpRequest) -> dict[str, object]:
    stand_in = f"http://127.0.0.1:{settings.BERTH_FAKEHUB_PORT}"
    return {"domain": settings.BERTH_DOMAIN, "github_is_stand_in": stand_in == settings.BERTH_GITHUB_URL}
