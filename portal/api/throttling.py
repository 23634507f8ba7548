"""How many requests a token may make in a minute, and the headers that say so.

The count is in the token's row, so that both web processes count alike. Several requests at the same instant may all
get in as the last one.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Case, F, When
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from portal import clock
from portal.models import ApiToken

MINUTE = timedelta(minutes=1)


class PerToken(BaseThrottle):
    def allow_request(self, request: Request, _view: Any) -> bool:
        token = request.auth
        if not isinstance(token, ApiToken):
            return True
        now = clock.now()
        minute = now.replace(second=0, microsecond=0)
        used = token.used_in_minute if token.last_used_at and token.last_used_at >= minute else 0
        left = int(settings.BERTH_API_PER_MINUTE) - used - 1
        self.seconds = (minute + MINUTE - now).total_seconds()
        request.rate_limit = {  # type: ignore[attr-defined]
            "RateLimit-Limit": str(settings.BERTH_API_PER_MINUTE),
            "RateLimit-Remaining": str(max(left, 0)),
            "RateLimit-Reset": str(int(self.seconds) + 1),
        }
        if left < 0:
            return False
        counted = Case(When(last_used_at__gte=minute, then=F("used_in_minute") + 1), default=1)
        ApiToken.objects.filter(pk=token.pk).update(used_in_minute=counted, last_used_at=now)
        return True

    def wait(self) -> float:
        return self.seconds
