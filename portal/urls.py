from django.urls import include, path

urlpatterns = [
    path("", include("builds.urls")),
    path("", include("projects.urls")),
    path("", include("social_django.urls", namespace="social")),
]
