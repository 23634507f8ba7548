"""A production with a customer's rows and one attachment, and a backup of it."""

import hashlib
from pathlib import Path

from builds import backup as story_of
from hosting import machines
from hosting.models import Backup, Instance
from portal import clock
from portal.models import State
from projects.models import Branch, Stage
from tests.unit.fakes.stage import OLD, Scenery
from tests.unit.fakes.world import Data

CONTENT = b"an attachment"
FILE = hashlib.sha1(CONTENT).hexdigest()
NAME = f"{FILE[:2]}/{FILE}"


def production(stage: Scenery) -> Branch:
    stage.world.commits = {OLD: {"shop": "1.0"}}
    branch = stage.branch("main", Stage.PRODUCTION)
    stage.deploy(branch, OLD)
    branch = Branch.objects.select_related("instance", "project").get(pk=branch.pk)
    data(stage, branch).rows += ("a customer", "an order")
    data(stage, branch).files = (NAME,)
    attachment(branch).parent.mkdir(parents=True)
    attachment(branch).write_bytes(CONTENT)
    return branch


def data(stage: Scenery, branch: Branch) -> Data:
    return stage.world.databases["hosted"][instance(branch).database]


def instance(branch: Branch) -> Instance:
    assert branch.instance is not None
    return branch.instance


def attachment(branch: Branch) -> Path:
    return machines.folder(instance(branch)) / "data" / "filestore" / instance(branch).database / NAME


def begun(branch: Branch, kind: Backup.Kind = Backup.Kind.NIGHTLY) -> Backup:
    return story_of.begin(branch=branch, kind=kind, by=None)


def told(stage: Scenery, backup: Backup) -> Backup:
    """The backup when its story has ended."""
    tell(stage, backup)
    return Backup.objects.get(pk=backup.pk)


def backed_up(stage: Scenery, branch: Branch) -> Backup:
    """A backup of it that is proven."""
    backup = told(stage, begun(branch))
    assert backup.proof == Backup.Proof.PROVEN, backup.wrong
    return backup


def tell(stage: Scenery, row: object) -> None:
    """Look at the story of a row until it has ended."""
    for _ in range(8):
        stage.look(row)  # type: ignore[arg-type]
        row.refresh_from_db()  # type: ignore[attr-defined]
        if row.state == State.DONE:  # type: ignore[attr-defined]
            return
    raise AssertionError(f"{row} has not ended at {clock.now()}")
