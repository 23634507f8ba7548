from django.urls import include, path

from builds import (
    actionpages,
    backuppages,
    branchsettings,
    buildpage,
    certificatepages,
    deletepages,
    deliveries,
    diskpages,
    domainpages,
    downloadpages,
    futurepages,
    logpages,
    mailpages,
    mergepages,
    movepages,
    originpage,
    pages,
    pinpages,
    placespages,
    restorepages,
    retiredpages,
    rollbackpages,
    runtimepages,
    starting,
    uploadpages,
)

urlpatterns = [
    path("", pages.projects, name="projects"),
    path("new/", starting.new_project, name="new-project"),
    path("new/repositories/", starting.repositories, name="repositories"),
    path("operator/disk/", diskpages.disk, name="disk"),
    path("operator/disk/<slug:slug>/quota/", diskpages.set_quota, name="quota"),
    path("operator/places/", placespages.places, name="places"),
    path("operator/places/copies/<int:pk>/", placespages.copy_now, name="copy-now"),
    path("operator/odoo/", runtimepages.show, name="runtimes"),
    path("operator/odoo/<str:series>/freeze/", runtimepages.freeze, name="freeze"),
    path("hooks/<int:project_id>/", deliveries.receive, name="hook"),
    path("<slug:slug>/settings/delete/", deletepages.delete_project, name="delete-project"),
    path("<slug:slug>/deleted/", deletepages.deleted, name="deleted"),
    path(
        "<slug:slug>/branches/",  # /PROJECT/branches/
        include(
            [
                path("", pages.branches, name="branches"),
                path("<int:pk>/", pages.branch, name="branch"),
                path("<int:pk>/actions/", actionpages.actions, name="branch-actions"),
                path("<int:pk>/backups/", backuppages.backups, name="branch-backups"),
                path("<int:pk>/backups/future/", futurepages.future, name="branch-backups-future"),
                path("<int:pk>/backups/now/", backuppages.back_up, name="back-up"),
                path("<int:pk>/backups/<int:backup>/", backuppages.show, name="backup"),
                path("<int:pk>/backups/<int:backup>/download/", downloadpages.ask_download, name="ask-download"),
                path("<int:pk>/backups/<int:backup>/restore/", restorepages.restore_here, name="restore-here"),
                path("<int:pk>/restores/<int:restore>/", restorepages.show, name="restore"),
                path("<int:pk>/backups/<int:backup>/staging/", restorepages.into_staging, name="into-staging"),
                path("<int:pk>/backups/<int:backup>/delete/", backuppages.delete, name="delete-backup"),
                path("<int:pk>/restores/<int:restore>/switched-off/", uploadpages.switched_off, name="switched-off"),
                path("<int:pk>/restores/<int:restore>/switch-on/", uploadpages.switch_on, name="switch-on"),
                path("<int:pk>/import/", uploadpages.choose, name="import"),
                path("<int:pk>/import/begin/", uploadpages.begin_upload, name="begin-upload"),
                path("<int:pk>/uploads/<int:upload>/", uploadpages.show, name="upload"),
                path("<int:pk>/uploads/<int:upload>/piece/", uploadpages.upload_piece, name="upload-piece"),
                path("<int:pk>/uploads/<int:upload>/import/", uploadpages.import_here, name="import-here"),
                path("<int:pk>/restores/<int:restore>/cancel/", restorepages.cancel, name="cancel-restore"),
                path("<int:pk>/downloads/<int:download>/", downloadpages.send_download, name="send-download"),
                path("<int:pk>/wake/", pages.wake, name="wake"),
                path("<int:pk>/move/", movepages.move_branch, name="move-branch"),
                path("<int:pk>/merge/", mergepages.merge_branch, name="merge-branch"),
                path("<int:pk>/build/", movepages.build_head, name="build-head"),
                path("<int:pk>/settings/", branchsettings.branch_settings, name="branch-settings"),
                path("<int:pk>/domains/", domainpages.branch_domains, name="branch-domains"),
                path("<int:pk>/domains/<int:domain>/check/", domainpages.check_domain, name="check-domain"),
                path("<int:pk>/domains/<int:domain>/remove/", domainpages.remove_domain, name="remove-domain"),
                path(
                    "<int:pk>/domains/<int:domain>/certificate/",
                    certificatepages.bring_certificate,
                    name="bring-certificate",
                ),
                path(
                    "<int:pk>/domains/<int:domain>/certificate/renew/",
                    certificatepages.renew_certificate,
                    name="renew-certificate",
                ),
                path("<int:pk>/resize/", branchsettings.branch_resize, name="branch-resize"),
                path("<int:pk>/logs/", logpages.branch_log, name="branch-log"),
                path("<int:pk>/mails/", mailpages.branch_mails, name="branch-mails"),
                path("<int:pk>/mails/<int:mail>/", mailpages.branch_mail, name="branch-mail"),
                path("<int:pk>/mails/<int:mail>/html/", mailpages.mail_html, name="mail-html"),
                path("<int:pk>/mails/<int:mail>/source/", mailpages.mail_source, name="mail-source"),
                path("<int:pk>/mails/<int:mail>/parts/<int:part>/", mailpages.mail_part, name="mail-part"),
            ]
        ),
    ),
    path(
        "<slug:slug>/retired/",  # /PROJECT/retired/
        include(
            [
                path("", retiredpages.retired, name="retired"),
                path("<int:pk>/download/", retiredpages.ask_retired_download, name="ask-retired-download"),
                path(
                    "<int:pk>/download/<int:download>/",
                    retiredpages.send_retired_download,
                    name="send-retired-download",
                ),
            ]
        ),
    ),
    path(
        "<slug:slug>/builds/",  # /PROJECT/builds/
        include(
            [
                path("", pages.builds, name="builds"),
                path("<int:number>/", buildpage.build, name="build"),
                path("<int:number>/steps/<slug:name>/", buildpage.step_log, name="step-log"),
                path("<int:number>/logs/", logpages.build_log, name="build-log"),
                path("<int:number>/neutralised/", originpage.neutralised, name="neutralised"),
                path("<int:number>/rebuild/", buildpage.rebuild, name="rebuild"),
                path("<int:number>/pin/", pinpages.pin, name="pin"),
                path("<int:number>/cancel/", buildpage.cancel, name="cancel"),
                path("<int:number>/roll-back/", rollbackpages.roll_back, name="roll-back"),
                path("<int:number>/deploy-again/", rollbackpages.deploy_again, name="deploy-again"),
            ]
        ),
    ),
]
