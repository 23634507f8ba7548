from django.apps import AppConfig


class BuildsConfig(AppConfig):
    name = "builds"

    def ready(self) -> None:
        """Make the runner know the stories that this app tells."""
        # A worker's forks would else import the rounds anew, each time, and from newer code once that is pulled.
        from builds import (  # noqa: F401
            alarming,
            backup,
            deploy,
            download,
            measuring,
            parked,
            plans,
            recovery,
            resize,
            restore,
            retire,
            rollback,
            rounds,
            template,
            upload,
            vaultcopies,
            weekly,
        )

        backup.register_stories()
        deploy.register_stories()
        download.register_stories()
        recovery.register_stories()
        resize.register_stories()
        restore.register_stories()
        retire.register_stories()
        rollback.register_stories()
        template.register_stories()
        vaultcopies.register_stories()
        parked.register_stories()
        upload.register_stories()
