from django.urls import path

from projects.api import views

urlpatterns = [
    path("me/", views.Who.as_view(), name="me"),
    path("tokens/", views.Tokens.as_view(), name="tokens"),
    path("tokens/<int:pk>/", views.OneToken.as_view(), name="token"),
    path("projects/", views.Projects.as_view(), name="projects"),
    path("projects/<slug:slug>/", views.OneProject.as_view(), name="project"),
    path("projects/<slug:slug>/branches/", views.Branches.as_view(), name="branches"),
    path("projects/<slug:slug>/branches/<int:pk>/", views.OneBranch.as_view(), name="branch"),
    path("projects/<slug:slug>/members/", views.Members.as_view(), name="members"),
    path("projects/<slug:slug>/members/<int:pk>/", views.OneMember.as_view(), name="member"),
    path("projects/<slug:slug>/audit/", views.AuditLog.as_view(), name="audit"),
]
