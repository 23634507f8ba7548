"""The set-up on a machine whose engine doesn't run: one is started, in namespaces of its own beside the real one."""

import sys
from pathlib import Path

import pytest

from portal.commands import run

pytestmark = pytest.mark.engine

CHECKOUT = Path(__file__).parents[2]
BARE_MACHINE = """
set -e
mount --make-rprivate /
for folder in /run /var/lib/docker /var/log /tmp; do mount -t tmpfs tmpfs $folder; done
ip link set lo up
echo 1 > /run/docker.pid  # as a machine that lost its power leaves it: the number is another program's now
exec "$0" -c "$1"
"""
BRING_UP = """
from deploy import engine
from deploy.progress import Progress

engine.ensure(engine.DEFAULT_URL, Progress())
answer = engine.info(engine.DEFAULT_URL)
print("live restore:", answer and answer["LiveRestoreEnabled"])
print("taken:", *engine.taken_subnets(engine.DEFAULT_URL))
"""


@pytest.fixture(scope="module")
def output() -> str:
    alone = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
    return run([*alone, "bash", "-c", BARE_MACHINE, sys.executable, BRING_UP], timeout=120, cwd=CHECKOUT).output


def test_it_starts_an_engine_that_keeps_databases_through_its_restarts(output: str) -> None:
    assert "live restore: True" in output


def test_it_says_so_before_it_does(output: str) -> None:
    assert "starting Docker Engine: dockerd --live-restore (log: /var/log/berth-dockerd.log)" in output.splitlines()[0]


def test_the_engines_own_network_counts_as_taken(output: str) -> None:
    assert "172.17.0.0/16" in output.splitlines()[-1]
