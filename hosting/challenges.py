"""Where a certificate authority sees that a name is ours: the router sends it here, whatever the name."""

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from hosting.models import Challenge


@login_not_required
@require_safe
def answer(_request: HttpRequest, token: str) -> HttpResponse:
    challenge = Challenge.objects.filter(token=token).first()
    if challenge is None:
        raise Http404
    return HttpResponse(challenge.answer, content_type="application/octet-stream")
