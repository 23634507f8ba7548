from django.urls import include, path

from projects import pages

urlpatterns = [
    path(
        "<slug:slug>/",  # /PROJECT/
        include(
            [
                path("", pages.home, name="project"),
                path("settings/", pages.settings, name="settings"),
                path("settings/members/", pages.add_member, name="add-member"),
                path("settings/members/<int:pk>/", pages.change_member, name="change-member"),
                path("settings/members/<int:pk>/remove/", pages.remove_member, name="remove-member"),
            ]
        ),
    ),
]
