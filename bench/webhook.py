"""From a signed delivery to the first step of its story, one delivery after the other.

Each names a branch of its own, so each begins a story. That is cancelled as soon as its first step has begun; what the
benchmark made is removed at the end.
"""

import os
import secrets
import statistics
import time
from pathlib import Path
from typing import Any

from deploy.bench import Figure
from tests.hook import Hook
from tests.installation import Installation
from tests.load import percentile

DELIVERIES = 50
PATIENCE_S = 120.0
POLL_S = 0.1  # no part of what is measured: the rows say when a step began
STORY = """
    SELECT s.id, s.state, min(p.started_at) AS began FROM builds_build b
    JOIN projects_branch r ON r.id = b.branch_id JOIN portal_story s ON s.id = b.story_id
    LEFT JOIN portal_step p ON p.story_id = s.id WHERE r.name = %s GROUP BY s.id
"""
OF_BRANCHES = "(SELECT id FROM projects_branch WHERE starts_with(name, %s))"
OF_STORIES = f"(SELECT story_id FROM builds_build WHERE branch_id IN {OF_BRANCHES})"
OF_STEPS = f"(SELECT id FROM portal_step WHERE story_id IN {OF_STORIES})"


def main() -> dict[str, Figure]:
    mark = f"bench-{secrets.token_hex(3)}/"
    with Installation(Path(os.environ["BERTH_HOME"])) as installation:
        hook, head = Hook(installation), str(installation.clone().head())
        try:
            times = [deliver(installation, hook, f"{mark}{number}", head) for number in range(DELIVERIES)]
        finally:
            remove(installation, mark)
    times.sort()
    return {
        "deliveries": DELIVERIES,
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(percentile(times, 95), 1),
        "max_ms": round(times[-1], 1),
    }


def deliver(installation: Installation, hook: Hook, branch: str, sha: str) -> float:
    """Milliseconds from sending the delivery until the first step of its story began. The story has ended then."""
    sent = time.time()
    answer = hook.send(hook.push(branch, sha), {"X-GitHub-Delivery": branch})
    if answer.status != 202:
        raise RuntimeError(f"The delivery was refused: {answer}")
    story = wait_for(installation, branch, "began")
    installation.query("UPDATE portal_story SET cancel_requested = true WHERE id = %s", story["id"])
    wait_for(installation, branch, "done")
    return float((story["began"].timestamp() - sent) * 1000)


def wait_for(installation: Installation, branch: str, what: str) -> dict[str, Any]:
    """The branch's story, once its first step `began` or it is `done`. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for story in installation.query(STORY, branch):
            if story["state"] == "done" or (what == "began" and story["began"]):
                return story
        time.sleep(POLL_S)
    raise TimeoutError(f"{branch} within {PATIENCE_S:.0f} s: no story, or not {what}")


def remove(installation: Installation, mark: str) -> None:
    """All rows of branches whose names begin with `mark`."""
    stories = [row["story_id"] for row in installation.query(OF_STORIES, mark)]
    installation.query(f"DELETE FROM portal_logchunk WHERE step_id IN {OF_STEPS}", mark)
    installation.query(f"DELETE FROM portal_command WHERE step_id IN {OF_STEPS}", mark)
    installation.query(f"DELETE FROM builds_build WHERE branch_id IN {OF_BRANCHES}", mark)
    installation.query("DELETE FROM portal_step WHERE story_id = ANY(%s)", stories)
    installation.query("DELETE FROM portal_story WHERE id = ANY(%s)", stories)
    installation.query("DELETE FROM projects_branch WHERE starts_with(name, %s)", mark)
    installation.query("DELETE FROM builds_delivery WHERE starts_with(guid, %s)", mark)
