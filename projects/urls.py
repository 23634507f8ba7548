from django.urls import include, path

from projects import (
    auditpages,
    githubpages,
    hookpages,
    keypages,
    memberpages,
    noticepages,
    pages,
    subscriptionpages,
    tokenpages,
)

urlpatterns = [
    path("invitations/<str:token>/", memberpages.invitation, name="invitation"),
    path("operator/audit/", auditpages.operator_audit, name="operator-audit"),
    path("operator/audit/export/", auditpages.export_operator_audit, name="export-operator-audit"),
    path("account/tokens/", tokenpages.own_tokens, name="tokens"),
    path("account/tokens/<int:pk>/revoke/", tokenpages.revoke_token, name="revoke-token"),
    path("operator/subscriptions/", subscriptionpages.subscriptions, name="subscriptions"),
    path("operator/subscriptions/<int:pk>/end/", subscriptionpages.set_end, name="subscription-end"),
    path("operator/subscriptions/unlock/<slug:slug>/", subscriptionpages.unlock, name="unlock"),
    path(
        "account/notifications/",
        include(
            [
                path("", noticepages.notifications, name="notifications"),
                path("read/", noticepages.read_all, name="read-notices"),
                path("<int:pk>/", noticepages.open_notice, name="notice"),
            ]
        ),
    ),
    path(
        "<slug:slug>/",  # /PROJECT/
        include(
            [
                path("", pages.home, name="project"),
                path("settings/", pages.settings, name="settings"),
                path("settings/subscription/", subscriptionpages.subscription, name="subscription"),
                path("settings/audit/", auditpages.project_audit, name="audit"),
                path("settings/audit/export/", auditpages.export_project_audit, name="export-audit"),
                path("settings/members/", memberpages.show_members, name="members"),
                path("settings/members/invite/", memberpages.invite, name="invite"),
                path("settings/members/hand-over/", memberpages.hand_over, name="hand-over"),
                path("settings/members/<int:pk>/", memberpages.change_member, name="change-member"),
                path("settings/members/<int:pk>/remove/", memberpages.remove_member, name="remove-member"),
                path(
                    "settings/invitations/<int:pk>/withdraw/",
                    memberpages.withdraw_invitation,
                    name="withdraw-invitation",
                ),
                path("leave/", memberpages.leave, name="leave"),
                path(
                    "settings/github/",
                    include(
                        [
                            path("", githubpages.github, name="github"),
                            path("webhook/", githubpages.mend_webhook, name="mend-webhook"),
                            path("account/", githubpages.lend_account, name="lend-account"),
                            path("statuses/", githubpages.try_statuses, name="try-statuses"),
                        ]
                    ),
                ),
                path(
                    "settings/webhooks/",
                    include(
                        [
                            path("", hookpages.webhooks, name="webhooks"),
                            path("<int:pk>/", hookpages.webhook, name="webhook"),
                            path("<int:pk>/try/", hookpages.ping, name="ping-webhook"),
                            path("<int:pk>/secret/", hookpages.new_secret, name="webhook-secret"),
                            path("<int:pk>/remove/", hookpages.remove, name="remove-webhook"),
                            path("<int:pk>/<int:delivery>/again/", hookpages.redeliver, name="redeliver"),
                        ]
                    ),
                ),
                path(
                    "settings/submodules/",
                    include(
                        [
                            path("", keypages.submodules, name="submodules"),
                            path("<int:pk>/install/", keypages.install, name="install-key"),
                            path("<int:pk>/rotate/", keypages.rotate, name="rotate-key"),
                            path("<int:pk>/forget-host/", keypages.forget_host, name="forget-host"),
                            path("<int:pk>/remove/", keypages.remove, name="remove-key"),
                        ]
                    ),
                ),
            ]
        ),
    ),
]
