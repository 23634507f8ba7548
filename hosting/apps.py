from django.apps import AppConfig


class HostingConfig(AppConfig):
    name = "hosting"

    def ready(self) -> None:
        """Make the runner know the stories that this app tells."""
        from hosting import sleep

        sleep.register_stories()
