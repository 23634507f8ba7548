from django.urls import include, path

from builds.api import data, databases, deploys, downloads, projects, reads

urlpatterns = [
    path("repositories/", projects.OwnRepositories.as_view(), name="repositories"),
    path("projects/", projects.Projects.as_view(), name="projects"),
    path("projects/<slug:slug>/", projects.OneProject.as_view(), name="project"),
    path("projects/<slug:slug>/delete/", projects.DeleteProject.as_view(), name="delete-project"),
    path("deleted-projects/", projects.DeletedProjects.as_view(), name="deleted-projects"),
    path("deleted-projects/<slug:slug>/", projects.OneDeletedProject.as_view(), name="deleted-project"),
    path("deleted-projects/<slug:slug>/undo/", projects.UndoDeletion.as_view(), name="undo-deletion"),
    path(
        "projects/<slug:slug>/",
        include(
            [
                path("builds/", reads.Builds.as_view(), name="builds"),
                path("runtimes/", reads.Runtimes.as_view(), name="runtimes"),
                path("builds/<int:number>/", reads.OneBuild.as_view(), name="build"),
                path("builds/<int:number>/steps/", reads.BuildSteps.as_view(), name="steps"),
                path("builds/<int:number>/steps/<slug:name>/log/", reads.OneStepLog.as_view(), name="log"),
                path("builds/<int:number>/steps/<slug:name>/log.txt", reads.WholeStepLog.as_view(), name="whole-log"),
                path("builds/<int:number>/rebuild/", deploys.Rebuild.as_view(), name="rebuild"),
                path("builds/<int:number>/roll-back/", deploys.RollBack.as_view(), name="roll-back"),
                path("builds/<int:number>/deploy-again/", deploys.DeployAgain.as_view(), name="deploy-again"),
                path("builds/<int:number>/pin/", downloads.Pin.as_view(), name="pin"),
                path("branches/<int:pk>/log/", reads.BranchLog.as_view(), name="branch-log"),
                path("branches/<int:pk>/actions/", databases.ScheduledActions.as_view(), name="actions"),
                path("branches/<int:pk>/mails/", databases.Mails.as_view(), name="mails"),
                path("branches/<int:pk>/mails/<int:mail>/", databases.OneMail.as_view(), name="mail"),
                path("branches/<int:pk>/mails/<int:mail>/source/", databases.MailSource.as_view(), name="mail-source"),
                path("branches/<int:pk>/deploy/", deploys.Deploy.as_view(), name="deploy"),
                path("branches/<int:pk>/wake/", deploys.Wake.as_view(), name="wake"),
                path("branches/<int:pk>/move/", data.Move.as_view(), name="move"),
                path("branches/<int:pk>/merge/", data.Merge.as_view(), name="merge"),
                path("branches/<int:pk>/settings/", data.Settings.as_view(), name="branch-settings"),
                path("branches/<int:pk>/resize/", data.Resize.as_view(), name="resize"),
                path("backups/", data.Backups.as_view(), name="backups"),
                path("backups/<int:pk>/", data.OneBackup.as_view(), name="backup"),
                path("backups/<int:pk>/restore/", data.RestoreBackup.as_view(), name="restore"),
                path("backups/<int:pk>/into-staging/", data.IntoStaging.as_view(), name="into-staging"),
                path("backups/<int:pk>/download/", downloads.DownloadBackup.as_view(), name="download-backup"),
                path("retired/", databases.RetiredDatabases.as_view(), name="retired"),
                path("downloads/", downloads.Downloads.as_view(), name="downloads"),
                path("downloads/<int:pk>/file/", downloads.DownloadedFile.as_view(), name="download"),
                path("operations/<int:pk>/", reads.OneOperation.as_view(), name="operation"),
                path("operations/<int:pk>/cancel/", deploys.Cancel.as_view(), name="cancel"),
            ]
        ),
    ),
]
