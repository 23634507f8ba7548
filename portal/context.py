"""What every page knows about the installation."""

from django.conf import settings
from django.http import HttpRequest


def installation(_request: HttpRequest) -> dict[str, object]:
    return {"demo": settings.BERTH_DEMO, "domain": settings.BERTH_DOMAIN, "portal_url": settings.BERTH_PORTAL_URL}
