"""The story of a download: a backup is taken out of its vault and written as one file, for one person, for a day.

The file is made by a worker, as web processes reach neither vault nor engine; they only read it (builds/downloadpages).
What it is made from lies with a throwaway instance on which nothing ever runs.
"""

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from builds.models import Download
from hosting import archives, databases, instances, machines, restores
from hosting.models import Backup, Instance
from hosting.odoo.floors import MIB
from portal import audit, clock, stories
from portal.models import State, Story, User
from portal.stories import Kind, PlatformError, ProjectError, StepSpec, register, step
from portal.telling import Telling
from projects.models import Branch

KEPT = timedelta(hours=24)
PART = 8 * MIB  # between two words on how far it is
UNTOUCHED = "The backup is as it was."


@transaction.atomic
def begin(*, branch: Branch, backup: Backup, form: Download.Form, by: User) -> Download:
    """Make a file of a backup. One that the person has already, or that is being made, is returned instead.

    Raises ProjectError.
    """
    if backup.proof != Backup.Proof.PROVEN or backup.forgotten_at is not None or not backup.snapshot:
        raise ProjectError(
            "This backup can't be downloaded", "Only one that was proven can be.", "Choose another one, or back up now."
        )
    existing = there().filter(backup=backup, branch=branch, form=form, asked_by=by).order_by("-pk").first()
    if existing is not None:
        return existing
    download = Download.objects.create(backup=backup, branch=branch, form=form, asked_by=by)
    subject = f"downloads-{backup.instance.host_id}"  # one at a time: they must not compete for the disk
    download.story = stories.begin("download", object_id=download.pk, subject=subject)
    download.save(update_fields=["story"])
    audit.record(
        by=by, verb="download backup", object=str(backup), project_id=branch.project_id, after=str(download.form)
    )
    return download


def there() -> QuerySet[Download]:
    """Those that can be had, or will be."""
    return Download.objects.filter(~Q(state=State.DONE) | Q(expires_at__gt=clock.now()))


def file(download: Download) -> Path:
    return Path(settings.BERTH_HOME) / "downloads" / f"d{download.pk}"


def folder(download: Download) -> Path:
    """Where its pieces lie while it is made. Only root enters it."""
    assert download.drill is not None
    return machines.folder(download.drill) / "download"


# --- the story --------------------------------------------------------------------------------------------------------
def undo_take_out(download: Download, _telling: Telling) -> None:
    clear(download)


@step("Fetch from the vault", undo=undo_take_out)
def take_out(download: Download, telling: Telling) -> None:
    _check_room(download)
    made = _throwaway(download)
    machines.folder(made).mkdir(parents=True, exist_ok=True)
    folder(download).mkdir(mode=0o700, exist_ok=True)
    databases.end_one_off(made)
    try:
        restores.fetch(download.backup, folder(download) / "in", telling)
    except restores.NotWhole as error:
        raise PlatformError("The backup can't be read", str(error), "Take another one; tell the operator.") from error


def undo_pack(download: Download, _telling: Telling) -> None:
    file(download).unlink(missing_ok=True)
    file(download).with_suffix(".part").unlink(missing_ok=True)
    Download.objects.filter(pk=download.pk).update(size_bytes=None, expires_at=None)  # so that it is made anew


@step("Write the file", undo=undo_pack)
def pack(download: Download, telling: Telling) -> None:
    assert download.drill is not None
    fetched, target = folder(download) / "in", file(download)
    target.parent.mkdir(mode=0o711, exist_ok=True)
    dump = archives.make_plain(download.drill, fetched, telling)
    part = target.with_suffix(".part")
    manifest = json.loads((fetched / "manifest.json").read_bytes())
    told = _Progress(download, dump.stat().st_size + sum(manifest["files"].values()), telling)
    if download.form == Download.Form.ZIP:
        production = download.backup.instance
        about = archives.odoo_manifest(
            manifest, database=download.branch.project.slug, postgresql=archives.postgresql_of(production)
        )
        archives.write_zip(part, dump=dump, files=fetched / "files", manifest=about, told=told)
    else:
        archives.write_gzip(part, dump=dump, told=told)
    _give_to_web(part)
    part.replace(target)
    Download.objects.filter(pk=download.pk).update(size_bytes=target.stat().st_size, expires_at=clock.now() + KEPT)


@step("Remove what it was made from")
def tidy(download: Download, _telling: Telling) -> None:
    clear(download)


class _Progress:
    """Says how far it is, and hears whether it shall end."""

    def __init__(self, download: Download, total: int, telling: Telling) -> None:
        self.download, self.total, self.telling = download, total, telling
        self.done = self.said = 0

    def __call__(self, more: int) -> None:
        self.telling.keep_going()
        self.done += more
        if self.done - self.said > PART:
            self.said = self.done
            progress = {"bytes_done": self.done, "bytes_total": self.total}
            Download.objects.filter(pk=self.download.pk).update(progress=progress)


def _throwaway(download: Download) -> Instance:
    if download.drill is None:
        with transaction.atomic():
            download.drill = instances.create_throwaway(download.backup.instance, "download", str(download))
            download.save(update_fields=["drill"])
    return download.drill


def _check_room(download: Download) -> None:
    """For the backup as it comes out of the vault, for its plain dump, and for the file. Raises PlatformError."""
    needed = (download.backup.size_bytes or 0) * 3
    databases.require_disk(needed, of="the download", left=UNTOUCHED, then="try again")


def _give_to_web(path: Path) -> None:
    """The web processes may read it, and nobody else but root."""
    path.chmod(0o400)
    web = Path(settings.BERTH_HOME) / "web"
    if web.exists():
        os.chown(path, web.stat().st_uid, -1)


def clear(download: Download) -> None:
    """Remove the throwaway with all that lies in it. Safe to repeat."""
    made = download.drill
    if made is not None:
        shutil.rmtree(folder(download), ignore_errors=True)
        if made.state != Instance.State.REMOVED:
            instances.remove(made)
        Download.objects.filter(pk=download.pk, drill=made).update(drill=None)
        download.drill = None


# --- the rounds -------------------------------------------------------------------------------------------------------
def forget() -> None:
    """Remove files whose time is up, and those without a row."""
    home = Path(settings.BERTH_HOME) / "downloads"
    found = list(home.iterdir()) if home.exists() else []
    kept = {file(download).name for download in there()}  # read after: rows are written first
    for path in found:
        if path.stem not in kept:
            path.unlink(missing_ok=True)


# --- what the runner wants to know ------------------------------------------------------------------------------------
def steps(_download: Download) -> tuple[StepSpec, ...]:
    return (take_out, pack, tidy)


def load(pk: int) -> Download:
    related = ("backup__instance__host", "backup__instance__database_server", "backup__vault", "branch__project")
    return Download.objects.select_related(*related, "drill__host", "drill__database_server", "asked_by").get(pk=pk)


def started(download: Download, _story: Story) -> None:
    Download.objects.filter(pk=download.pk).update(state=State.RUNNING)


def finished(download: Download, story: Story) -> None:
    Download.objects.filter(pk=download.pk).update(state=State.DONE, result=story.result, progress={})


def register_stories() -> None:
    register(Kind(name="download", queue="background", load=load, steps=steps, started=started, finished=finished))
