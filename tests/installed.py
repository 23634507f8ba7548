"""The fixture `installation`: one bring-up serves all tests of a run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import Installation

AT_ONCE = "60000"  # requests of a token in a minute: schemathesis need not wait


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """A real installation with its demo. BERTH_TEST_HOME names one that runs already, which is left running."""
    running = os.environ.get("BERTH_TEST_HOME")
    if running:
        with Installation(Path(running)) as found:
            yield found
    else:
        with Installation.bring_up(BERTH_API_PER_MINUTE=AT_ONCE) as made:
            yield made
