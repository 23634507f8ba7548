from django.urls import include, path

from projects.api import domains, views

urlpatterns = [
    path("me/", views.Who.as_view(), name="me"),
    path("tokens/", views.Tokens.as_view(), name="tokens"),
    path("tokens/<int:pk>/", views.OneToken.as_view(), name="token"),
    path("projects/", views.Projects.as_view(), name="projects"),
    path("projects/<slug:slug>/", views.OneProject.as_view(), name="project"),
    path(
        "projects/<slug:slug>/",
        include(
            [
                path("branches/", views.Branches.as_view(), name="branches"),
                path("branches/<int:pk>/", views.OneBranch.as_view(), name="branch"),
                path("members/", views.Members.as_view(), name="members"),
                path("members/<int:pk>/", views.OneMember.as_view(), name="member"),
                path("audit/", views.AuditLog.as_view(), name="audit"),
            ]
        ),
    ),
    path(
        "projects/<slug:slug>/branches/<int:pk>/domains/",
        include(
            [
                path("", domains.Domains.as_view(), name="domains"),
                path("<int:domain>/", domains.OneDomain.as_view(), name="domain"),
                path("<int:domain>/check/", domains.CheckDomain.as_view(), name="check-domain"),
                path("<int:domain>/certificate/", domains.DomainCertificate.as_view(), name="certificate"),
                path("<int:domain>/certificate/renew/", domains.RenewCertificate.as_view(), name="renew-certificate"),
            ]
        ),
    ),
]
