"""Runs commands of manage.py for an installation."""

import os
from pathlib import Path

from deploy.processes import CHECKOUT, PYTHON
from portal.commands import Output, Result, discard, run


def surroundings(home: Path) -> dict[str, str]:
    """The environment for what reads its settings from `.env`: BERTH_* of this shell would win over them for ever."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BERTH_")}
    return kept | {"BERTH_HOME": str(home)}


def manage(home: Path, *arguments: str, timeout: float = 300, output: Output = discard) -> Result:
    """Raises CommandError."""
    command = [str(PYTHON), str(CHECKOUT / "manage.py"), *arguments]
    return run(command, timeout=timeout, env=surroundings(home), cwd=CHECKOUT, output=output)
