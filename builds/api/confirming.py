"""What an operation wants to be sent before something is lost."""

from typing import Any

from rest_framework import serializers

from portal.api.problems import Misfit


class Confirmed(serializers.Serializer[Any]):
    confirm = serializers.CharField(required=False, help_text="The project's slug: what a person types on the page.")


def confirm(given: dict[str, Any], wanted: str) -> None:
    """Raises Misfit where the name of what is lost was not sent."""
    if given.get("confirm") != wanted:
        raise Misfit({"confirm": [f"Send {wanted!r} here to go on. See what will be lost with ?dry_run=1."]})
