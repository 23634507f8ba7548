"""The schema of the API, as it is served, and its docs in a browser."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_page
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView

HOUR = 3600

schema = cache_page(HOUR)(SpectacularAPIView.as_view())  # it changes with the code alone, and takes a while to make


@login_not_required
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Swagger UI, with the portal's own head."""
    return render(request, "portal/api_docs.html")
