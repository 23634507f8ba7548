from django.urls import include, path

from projects.api import account, domains, github, hooks, invitations, keys, subscription, views

urlpatterns = [
    path("me/", views.Who.as_view(), name="me"),
    path("me/notifications/", account.Notifications.as_view(), name="notifications"),
    path("me/notices/", account.Notices.as_view(), name="notices"),
    path("me/notices/read/", account.ReadNotices.as_view(), name="read-notices"),
    path("invitations/accept/", invitations.Accept.as_view(), name="accept-invitation"),
    path("tokens/", views.Tokens.as_view(), name="tokens"),
    path("tokens/<int:pk>/", views.OneToken.as_view(), name="token"),
    path(
        "projects/<slug:slug>/",
        include(
            [
                path("branches/", views.Branches.as_view(), name="branches"),
                path("branches/<int:pk>/", views.OneBranch.as_view(), name="branch"),
                path("members/", views.Members.as_view(), name="members"),
                path("members/<int:pk>/", views.OneMember.as_view(), name="member"),
                path("invitations/", invitations.Invitations.as_view(), name="invitations"),
                path("invitations/<int:pk>/", invitations.OneInvitation.as_view(), name="invitation"),
                path("hand-over/", invitations.HandOver.as_view(), name="hand-over"),
                path("leave/", invitations.Leave.as_view(), name="leave"),
                path("subscription/", subscription.ProjectsPlan.as_view(), name="subscription"),
                path("github/", github.Repository.as_view(), name="github"),
                path("github/webhook/", github.MendWebhook.as_view(), name="mend-webhook"),
                path("github/account/", github.LendAccount.as_view(), name="lend-account"),
                path("github/statuses/", github.TryStatuses.as_view(), name="try-statuses"),
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
    path(
        "projects/<slug:slug>/deploy-keys/",
        include(
            [
                path("", keys.DeployKeys.as_view(), name="deploy-keys"),
                path("<int:pk>/", keys.OneDeployKey.as_view(), name="deploy-key"),
                path("<int:pk>/rotate/", keys.RotateKey.as_view(), name="rotate-key"),
                path("<int:pk>/install/", keys.InstallKey.as_view(), name="install-key"),
                path("<int:pk>/forget-host/", keys.ForgetHost.as_view(), name="forget-host"),
            ]
        ),
    ),
    path(
        "projects/<slug:slug>/webhooks/",
        include(
            [
                path("", hooks.Hooks.as_view(), name="webhooks"),
                path("<int:pk>/", hooks.OneHook.as_view(), name="webhook"),
                path("<int:pk>/secret/", hooks.HookSecret.as_view(), name="webhook-secret"),
                path("<int:pk>/try/", hooks.TryHook.as_view(), name="try-webhook"),
                path("<int:pk>/deliveries/", hooks.HookDeliveries.as_view(), name="webhook-deliveries"),
                path("<int:pk>/deliveries/<int:delivery>/", hooks.OneHookDelivery.as_view(), name="webhook-delivery"),
                path("<int:pk>/deliveries/<int:delivery>/again/", hooks.SendAgain.as_view(), name="send-again"),
            ]
        ),
    ),
]
