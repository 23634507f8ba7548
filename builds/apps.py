from django.apps import AppConfig


class BuildsConfig(AppConfig):
    name = "builds"

    def ready(self) -> None:
        """Make the runner know the stories that this app tells."""
        from builds import deploy

        deploy.register_stories()
