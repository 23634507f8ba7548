"""Where the router tells that somebody wants in: the only address that no person uses."""

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from hosting import machines, sleep
from hosting.models import Instance


@csrf_exempt
@login_not_required
@require_POST
def wake(request: HttpRequest, pk: int) -> HttpResponse:
    """202: it wakes. 204: it isn't asleep. 429: nobody is to be held for it now. Without the router's secret, 404."""
    if not constant_time_compare(request.headers.get("X-Berth-Router", ""), machines.router_secret()):
        raise Http404
    instance = Instance.objects.filter(pk=pk).first()
    if instance is None:
        raise Http404
    try:
        story = sleep.wake(instance)
    except sleep.Refused as refusal:
        return HttpResponse(f"{refusal}\n", status=429, content_type="text/plain")
    return HttpResponse(status=202 if story else 204)
