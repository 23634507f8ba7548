"""/api/v1/: what each app answers there, by name, so that the ground floor imports none of them."""

from django.urls import include, path, re_path

from portal.api.docs import docs, schema
from portal.api.views import Unknown

app_name = "api"
urlpatterns = [
    path("schema/", schema, name="schema"),
    path("docs/", docs, name="docs"),
    path("", include("projects.api.urls")),
    path("", include("builds.api.urls")),
    re_path("", Unknown.as_view(), name="unknown"),
]
