"""Runs commands of manage.py for an installation, in this process: starting Django again for each would take longer
than most of them do.
"""

import os
from io import TextIOBase
from pathlib import Path

import django
from django.core.management import CommandError, call_command

from deploy.progress import SetupError
from portal.commands import Output, discard


def surroundings(home: Path) -> dict[str, str]:
    """The environment for what reads its settings from `.env`: BERTH_* of this shell would win over them for ever."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BERTH_")}
    return kept | {"BERTH_HOME": str(home), "DJANGO_SETTINGS_MODULE": "portal.settings"}


def open_installation(home: Path) -> None:
    """Load Django with the settings of this installation; once in the life of a process."""
    for name in [name for name in os.environ if name.startswith("BERTH_")]:
        del os.environ[name]
    os.environ.update(surroundings(home))
    django.setup()


def manage(*arguments: str, output: Output = discard) -> None:
    """Raises SetupError with what the command says of its failure; other exceptions as they come."""
    try:
        call_command(*arguments, stdout=_Lines(output), no_color=True)
    except CommandError as error:
        raise SetupError(
            f"manage.py {' '.join(arguments)}: {error}",
            left="What the steps before did stays.",
            todo="mend what the message says, then run bin/up again: it goes on from here.",
        ) from error


class _Lines(TextIOBase):
    """A stream that hands everything to an `Output`."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, text: str) -> int:
        self._output(text)
        return len(text)
