"""Signing in and out, and whether this process answers."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe
from social_core.exceptions import SocialAuthBaseException
from social_django import views as social

sign_in = LoginView.as_view(template_name="portal/sign_in.html", redirect_authenticated_user=True)


@login_not_required
def complete_sign_in(request: HttpRequest, backend: str) -> HttpResponse:
    """Where GitHub sends people back to. What goes wrong there is told on the sign-in page."""
    try:
        response: HttpResponse = social.complete(request, backend)
    except SocialAuthBaseException as error:
        messages.error(request, f"GitHub did not sign you in: {error}. Nothing was changed; try again.")
        return redirect(settings.LOGIN_URL)
    return response


@login_not_required
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """For the router: this process answers. It says nothing of the database, so that a restart of it stops no page."""
    return HttpResponse("ok\n", content_type="text/plain")
