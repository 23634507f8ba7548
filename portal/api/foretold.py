"""What a dangerous request would do, as `?dry_run=1` answers it."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

Foretelling = dict[str, Any]
Lines = Sequence[str]


class Foretold(serializers.Serializer[Any]):
    """What a request would do, of which nothing was done."""

    would = serializers.ListField(child=serializers.CharField(), help_text="What would be done, in order.")
    lost = serializers.ListField(child=serializers.CharField(), help_text="What could not be had back.")
    stays = serializers.ListField(child=serializers.CharField(), help_text="What would not be undone by it.")
    refused = serializers.CharField(help_text="Why it can't be done now; empty when it can.")


def foretold(would: Lines, *, lost: Lines = (), stays: Lines = (), refused: str = "") -> Foretelling:
    """Of what is refused nothing would be done, and nothing lost."""
    if refused:
        would, lost, stays = (), (), ()
    return {"would": list(would), "lost": list(lost), "stays": list(stays), "refused": refused}
