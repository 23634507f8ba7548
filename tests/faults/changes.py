"""What the tests push to production, and how they end who deploys it."""

import os
import re
import secrets
import signal
from collections.abc import Callable
from contextlib import suppress

from tests.installation import STATIC_FILE, Installation
from tests.rows import BuildRow

HELLO, LIBRARY = "berth_hello/__manifest__.py", "berth_library/__manifest__.py"
VIEWS = "berth_library/views/library_book_views.xml"
MODEL, LAST_FIELD = "berth_library/models/library_book.py", "    active = fields.Boolean(default=True)\n"
PATHS = ("/web/login", f"/{STATIC_FILE}")


def change_static_file(installation: Installation) -> str:
    """A deploy without an update: nothing but the content of a file."""
    return installation.push_static(secrets.token_hex(4))


def raise_version(installation: Installation) -> str:
    """A deploy that updates a module in the database."""
    return installation.push({LIBRARY: raised(installation, LIBRARY)}, "Raise the version of a module")


def break_update(installation: Installation) -> str:
    """A deploy of an update that fails at its second module, when the first has changed the database."""
    files = {HELLO: raised(installation, HELLO), LIBRARY: raised(installation, LIBRARY)}
    return installation.push(files | {VIEWS: "<odoo><record/></odoo>\n"}, "Break the update of a module")


MIGRATION = "def migrate(cr, version):\n    {}\n"
LIVE_ONLY = (  # a copy for a rehearsal is neutralised
    "cr.execute(\"SELECT 1 FROM ir_config_parameter WHERE key = 'database.is_neutralized'\")\n"
    "    assert cr.fetchone(), 'what only happens live'"
)


def migrate(installation: Installation, does: str, message: str) -> str:
    """A deploy of an update with a migration that does this."""
    manifest = raised(installation, LIBRARY)
    return installation.push({LIBRARY: manifest, migration_of(manifest): MIGRATION.format(does)}, message)


def mend_migration(installation: Installation) -> str:
    """The newest migration does nothing any more, so that later updates are spared it."""
    script = migration_of(installation.read(LIBRARY))
    return installation.push({script: MIGRATION.format("pass")}, "Mend the migration")


def migration_of(manifest: str) -> str:
    """The path of the script that updates to the manifest's version."""
    version = re.findall(r'"version": "([^"]+)"', manifest)[0]
    return f"berth_library/migrations/{version}/post-do.py"


def fail_live(installation: Installation) -> str:
    """The rehearsal goes well, and production fails."""
    return migrate(installation, LIVE_ONLY, "Migrate what only production can't")


def take_three_minutes(installation: Installation) -> str:
    return migrate(installation, "cr.execute('SELECT pg_sleep(180)')", "Migrate for three minutes")


def require_column(installation: Installation) -> str:
    """A required column, filled by a default: what old code inserts afterwards would be refused."""
    files = installation.files([MODEL])
    name = f"code_{secrets.token_hex(3)}"
    field = f'    {name} = fields.Char(required=True, default="new")\n'
    changed = str(files[MODEL]).replace(LAST_FIELD, LAST_FIELD + field)
    return installation.push({LIBRARY: raised(installation, LIBRARY), MODEL: changed}, "Require a column")


def raised(installation: Installation, manifest: str) -> str:
    """The manifest with the next version."""
    text = installation.read(manifest)
    found = re.search(r'"version": "18\.0\.1\.0\.(\d+)"', text)
    assert found
    return text.replace(found[0], f'"version": "18.0.1.0.{int(found[1]) + 1}"')


CHANGES: dict[str, Callable[[Installation], str]] = {"plain": change_static_file, "update": raise_version}


def kill_teller(installation: Installation, build: BuildRow) -> int:
    """kill -9 the process that tells the build's story. Returns its number, 0 where it had ended by then."""
    pid = installation.teller(build.story)
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pid
