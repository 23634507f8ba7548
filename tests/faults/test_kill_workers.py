"""kill -9 of the process that tells a production deploy, at every step, as it begins, in its middle and as it ends.

Nobody may notice: the build ends, nothing is left over, and the address answers all the time.
"""

import pytest

from tests.faults.changes import CHANGES, PATHS, kill_teller
from tests.holding import Moment, hold
from tests.installation import STATIC_FILE, Installation
from tests.load import UPDATING

pytestmark = pytest.mark.faults

STEPS = (
    "fetch",
    "look_inside",
    "build_image",
    "prepare_production",
    "start_pool",
    "prove_ready",
    "switch_over",
    "drain",
    "report",
)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("moment", Moment)
def test_a_killed_worker_is_not_noticed(installation: Installation, moment: Moment, change: str, step: str) -> None:
    with installation.load(PATHS) as load:
        load.wait_for(20)
        with hold(installation, step, moment) as held:
            sha = CHANGES[change](installation)
            held.wait()
            kill_teller(installation, installation.builds(sha)[0])
        build = installation.wait_for_build(sha)
        load.wait_for(20)
    assert build.result == "success", build
    answer = installation.answer(f"/{STATIC_FILE}")
    assert (answer.commit, answer.text) == (sha, installation.read(STATIC_FILE))
    assert installation.settled() == []
    expected = [UPDATING] if change == "update" else []
    assert load.figures().failed_but(*expected) == 0, load.figures()


@pytest.mark.parametrize("program", ["worker-urgent", "worker-deploy", "worker-background"])
def test_a_killed_idle_worker_comes_back(installation: Installation, program: str) -> None:
    killed = installation.kill(program)
    assert killed
    sha = CHANGES["plain"](installation)
    assert installation.wait_for_build(sha).result == "success"
    assert installation.settled() == []
    assert installation.pid(program) not in [0, *killed]
