"""The audit log's table is closed to the portal's own role: it can add entries, and can't change or remove any.

In a cluster of ours the table belongs to the administrator. In an existing server there is only the portal's role: it
gives the rights up, which is as much as it can do.
"""

from collections.abc import Mapping
from pathlib import Path

from deploy import migration, postgresql
from deploy.clusters import plan
from deploy.environment import PORTAL_ROLE
from deploy.progress import Progress
from hosting.engines.postgres import addonly

TABLE = "portal_auditentry"


def migrate(home: Path, values: Mapping[str, str], progress: Progress) -> None:
    """Bring the portal's database to this version, with the audit log closed afterwards. Raises SetupError."""
    administrator = _administrator(home, values)
    if administrator and migration.planned():
        addonly.give_back(administrator, TABLE, PORTAL_ROLE)
    migration.migrate(progress)
    if administrator:
        addonly.take(administrator, TABLE, PORTAL_ROLE)
    else:
        addonly.renounce(values["BERTH_DATABASE_URL"], TABLE)


def _administrator(home: Path, values: Mapping[str, str]) -> str:
    """The URL of the portal's database for its administrator; empty where the server isn't ours."""
    found = [cluster for cluster in plan(home / "pg", values, memory=0) if cluster.name == "portal"]
    return postgresql.admin_url(found[0], values).removesuffix("postgres") + PORTAL_ROLE if found else ""
