from django.contrib.auth.views import LogoutView
from django.urls import include, path
from social_django import views as social

from portal import pages

urlpatterns = [
    path("healthz", pages.healthz, name="healthz"),
    path("sign-in/", pages.sign_in, name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path(
        "",
        include(
            (
                [
                    path("login/<str:backend>/", social.auth, name="begin"),
                    path("complete/<str:backend>/", pages.complete_sign_in, name="complete"),
                ],
                "social",
            )
        ),
    ),
    path("api/v1/", include("portal.api.urls")),
    path("", include("hosting.urls")),
    path("", include("builds.urls")),
    path("", include("projects.urls")),
]
