"""The rounds of scheduled actions: their runs are read from the logs, hopeless ones are switched off, and those of
staging and development get their time.
"""

import logging

from builds.models import Build
from hosting import cronruns, crontimes
from hosting.models import Host, Instance, Stage
from hosting.reconcile import FAULTS
from portal import audit, clock
from portal.models import State, Story
from portal.rounds import alone
from projects.models import Branch

log = logging.getLogger(__name__)


@alone
def look_after() -> None:
    """Every half minute."""
    keep_time()
    for run in cronruns.read_all():
        branch = Branch.objects.filter(instance=run.instance_id).first()
        audit.record(
            by=None,
            verb="switch off scheduled action",
            object=f"i{run.instance_id}",
            project_id=branch.project_id if branch else None,
            before={"active": True, "timeouts": cronruns.IN_A_ROW},
            after={"active": False, "action": run.name, "id": run.action_id},
        )


def keep_time() -> None:
    """Start and stop the scheduled actions of staging and development, of those that no story works on."""
    busy = Story.objects.open().values("subject")
    building = Build.objects.exclude(state=State.DONE).values("branch__instance")
    instances = (
        Instance.objects.filter(state=Instance.State.READY, pk__in=Branch.objects.alive().values("instance"))
        .exclude(stage=Stage.PRODUCTION)
        .exclude(pk__in=building.exclude(branch__instance=None))
        .select_related("host", "database_server", "live_pool__instance__host", "live_pool__instance__database_server")
    )
    told = set(busy.values_list("subject", flat=True))
    for host in Host.objects.all():
        mine = [instance for instance in instances.filter(host=host) if instance.name not in told]
        try:
            for line in crontimes.keep_time(host, mine, clock.now()):
                log.info("scheduled actions: %s", line)
        except FAULTS as error:
            log.warning("scheduled actions: %s", error)
