"""Archives that people bring: received in pieces by the web processes, then looked at by a worker, before anybody may
import one. What lies in `web/uploads` the web processes own; what was looked at lies where they can't change it.
"""

import errno
import os
import re
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Manager, QuerySet
from django.http import HttpRequest

from builds import begin as builds
from builds.models import Build, Restore, Upload
from hosting import archives, copies, databases, imports, machines
from hosting.models import Instance, Pool
from hosting.odoo.floors import MIB
from portal import audit, clock, stories
from portal.models import Result, State, Story, User
from portal.stories import Kind, ProjectError, StepSpec, register, step
from portal.telling import Telling
from projects import quota
from projects.models import Branch

PIECE = 8 * MIB  # at most, of one request
KEPT = timedelta(days=2)  # since something came, or was done with it
LIST_S = 300
MORE = "Leave old files out of it, delete what isn't needed, or get a subscription with more storage."
ROOM = 2  # times its size must be free for it: it is restored then


class Elsewhere(ProjectError):
    """A piece that was not taken. `there` bytes are there: what follows them is what should be sent."""

    def __init__(self, title: str, upload: Upload, remedy: str = "") -> None:
        self.there = upload.received_bytes
        whole = self.there == upload.size_bytes
        detail = f"{self.there:,} of {upload.size_bytes:,} bytes are there, and stay. Nothing of this piece was taken."
        follows = "All of it is there already." if whole else f"Send what follows them, from offset {self.there} on."
        super().__init__(title, detail, remedy or follows)


# --- received ---------------------------------------------------------------------------------------------------------
@transaction.atomic
def begin(*, branch: Branch, name: str, size: int, by: User) -> Upload:
    """A new upload, or the person's unfinished one of the same file, to be gone on with. Raises ProjectError."""
    name = name.replace("\0", "")[:200]
    unfinished = Upload.objects.filter(branch=branch, asked_by=by, name=name, size_bytes=size, story=None)
    there = unfinished.order_by("-pk").first()
    if there is not None:
        return there
    if not 0 < size <= imports.LONGEST:
        what = f"It has {size:,} bytes; at most {imports.LONGEST:,} are taken."
        raise ProjectError("The archive was not taken", what, "Leave old files out of it, or ask the operator.")
    over = quota.refusal_of(branch.project, size)
    if over:
        raise ProjectError("The archive was not taken", f"{over} Nothing was changed.", MORE)
    if databases.free_disk() < size * ROOM + databases.SPARE:
        raise ProjectError(
            "Not enough disk for the archive", f"It has {size // MIB:,} MB. Nothing was changed.", "Ask the operator."
        )
    upload = Upload.objects.create(branch=branch, asked_by=by, name=name, size_bytes=size)
    audit.record(by=by, verb="upload", object=branch.name, project_id=branch.project_id, after=f"{name}, {size}")
    return upload


def receive(upload: Upload, offset: int, piece: IO[bytes] | HttpRequest) -> Upload:
    """Write a piece where the last one ended. The last of all begins the look at it. Raises Elsewhere, OSError."""
    with transaction.atomic():  # the row is locked: two windows of a browser may send at once
        upload = Upload.objects.select_for_update(of=("self",)).select_related("branch").get(pk=upload.pk)
        content = piece.read(PIECE + 1)
        ends = offset + len(content)
        _check_piece(upload, offset, len(content))
        if databases.free_disk() < len(content) + databases.SPARE:  # others took it since the upload began
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        _write(coming(upload), offset, content)
        upload.received_bytes, upload.used_at = ends, clock.now()
        upload.save(update_fields=["received_bytes", "used_at"])
        if ends == upload.size_bytes and upload.story is None:
            upload.story = stories.begin("upload", object_id=upload.pk, subject=upload.branch.subject)
            upload.save(update_fields=["story"])
    return upload


def _check_piece(upload: Upload, offset: int, length: int) -> None:
    """Raises Elsewhere."""
    if offset != upload.received_bytes:
        raise Elsewhere("The piece doesn't go on where the last one ended", upload)
    if length > PIECE:
        raise Elsewhere("The piece is too large", upload, f"Send at most {PIECE:,} bytes at once.")
    if offset + length > upload.size_bytes:
        remedy = "Send no more than is left of it, or begin another upload with the file's true size."
        raise Elsewhere("The piece goes on after the end that the file was said to have", upload, remedy)


def refusal(upload: Upload) -> str:
    """Why it can't be imported anywhere, "" when it can."""
    good = upload.state == State.DONE and upload.result == Result.SUCCESS
    return "" if good else "Only an archive that was looked at, and found good, can be imported."


def staging_refusal(branch: Branch, upload: Upload) -> str:
    """Why it can't be imported into a staging branch now, "" when it can."""
    return refusal(upload) or ("" if branch.head else "The branch has no commit yet.")


@transaction.atomic
def into_staging(*, branch: Branch, upload: Upload, by: User) -> Build:
    """A build of the branch's newest commit, on the archive instead of a copy of production. Raises ProjectError."""
    refused = staging_refusal(branch, upload)
    if refused:
        raise ProjectError("Nothing was imported", refused, "Look at the archive's page.")
    Upload.objects.filter(pk=upload.pk).update(used_at=clock.now())
    build = builds.begin(branch=branch, commit=branch.head, by=by, from_upload=upload)
    audit.record(by=by, verb="import", object=branch.name, project_id=branch.project_id, after=upload.name)
    return build


def _write(path: Path, offset: int, content: bytes) -> None:
    """What a killed process left behind `offset` is written over."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "wb") as file:
        file.seek(offset)
        file.write(content)
        file.truncate()


def coming(upload: Upload) -> Path:
    """Where it lies while it is received."""
    return Path(settings.BERTH_HOME) / "web" / "uploads" / f"u{upload.pk}"


def file(upload: Upload) -> Path:
    """Where it lies once it is whole."""
    return Path(settings.BERTH_HOME) / "uploads" / f"u{upload.pk}"


# --- the story --------------------------------------------------------------------------------------------------------
@step("Look what is in it")
def look(upload: Upload, telling: Telling) -> None:
    _take(upload)
    try:
        found = imports.look(file(upload), upload.branch.project.series)
    except imports.Refused as refused:
        raise ProjectError(refused.title, refused.detail, refused.remedy) from refused
    over = quota.refusal_of(upload.branch.project, found.bytes)
    if over:
        raise ProjectError("The archive is too large for this project", f"{over} Nothing was changed.", MORE)
    upload.found = found.as_json()
    upload.save(update_fields=["found"])
    telling.say(f"{len(found.modules)} modules, {found.files:,} files, {found.bytes:,} bytes unpacked.")


@step("Compare its modules with the code")
def compare(upload: Upload, telling: Telling) -> None:
    """With that of production's branch, or of this one, where something serves."""
    if not upload.found["modules"]:
        return telling.say("The archive does not say which modules it needs: that is seen when it is restored.")
    pool = _pool(upload.branch)
    if pool is None:
        return telling.say("Nothing was deployed on this branch yet, so its code is not compared.")
    lacking = sorted(upload.found["modules"].keys() - _available(pool, telling))
    Upload.objects.filter(pk=upload.pk).update(found=upload.found | {"missing": lacking})
    if lacking:
        raise ProjectError(
            "The archive needs modules that this branch's code lacks",
            f"{', '.join(lacking[:50])}{' and others' if len(lacking) > 50 else ''}. Nothing was changed.",
            "Add them to the repository and push; or uninstall them in the database and make a new backup of it.",
        )
    return telling.say("The code has all of them.")


def _take(upload: Upload) -> None:
    """Move it to where the web processes can't change it. Safe to repeat."""
    target = file(upload)
    target.parent.mkdir(mode=0o700, exist_ok=True)
    if not target.exists():
        coming(upload).replace(target)
    with archives.opened(target) as stream:
        os.fchown(stream.fileno(), os.geteuid(), -1)
        os.fchmod(stream.fileno(), 0o444)  # a container reads it; nobody else gets into the folder


def _pool(branch: Branch) -> Pool | None:
    instance = Instance.objects.filter(pk=branch.instance_id or 0).select_related("live_pool__instance__host").first()
    return instance.live_pool if instance is not None else None


def _available(pool: Pool, telling: Telling) -> set[str]:
    """Names of all modules in the pool's image."""
    said: list[str] = []
    argv = ("find", "/", "-xdev", "-name", "__manifest__.py", "-not", "-path", "/proc/*")
    spec = replace(copies.bare_spec(pool.instance, telling), image_id=pool.image_id, argv=argv)
    with telling.command(argv) as command:
        command.exit_code = machines.engine(pool.instance.host).run_once(
            spec, timeout=LIST_S, output=said.append, keep_going=telling.keep_going
        )
    return set(re.findall(r"/(\w+)/__manifest__\.py$", "".join(said), re.MULTILINE))


# --- the rounds -------------------------------------------------------------------------------------------------------
def forget() -> None:
    """Archives that nobody imports go, and files without a row."""
    old = Upload.objects.filter(used_at__lt=clock.now() - KEPT).exclude(pk__in=_waited_for(Restore.objects, "upload"))
    old = old.exclude(pk__in=_waited_for(Build.objects, "from_upload"))
    for upload in old.filter(story=None) | old.filter(state=State.DONE):
        upload.delete()
    for home in (Path(settings.BERTH_HOME) / "uploads", Path(settings.BERTH_HOME) / "web" / "uploads"):
        _sweep(home)


def _sweep(home: Path) -> None:
    """Remove files without a row. What the web processes put in the place of their folder is not gone into."""
    try:
        folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        there = os.listdir(folder)
        kept = {f"u{pk}" for pk in Upload.objects.values_list("pk", flat=True)}  # read after: rows are written first
        for name in set(there) - kept:
            with suppress(FileNotFoundError, IsADirectoryError):
                os.unlink(name, dir_fd=folder)
    finally:
        os.close(folder)


def _waited_for(rows: Manager[Any], field: str) -> QuerySet[Any, Any]:
    """What those of `rows` use whose story has not ended."""
    return rows.exclude(state=State.DONE).exclude(**{field: None}).values(field)


# --- what the runner wants to know ------------------------------------------------------------------------------------
def steps(_upload: Upload) -> tuple[StepSpec, ...]:
    return (look, compare)


def load(pk: int) -> Upload:
    return Upload.objects.select_related("branch__project", "asked_by", "story").get(pk=pk)


def started(upload: Upload, _story: Story) -> None:
    Upload.objects.filter(pk=upload.pk).update(state=State.RUNNING)


def finished(upload: Upload, story: Story) -> None:
    """What is refused is of no use any more."""
    Upload.objects.filter(pk=upload.pk).update(state=State.DONE, result=story.result, used_at=clock.now())
    if story.result != Result.SUCCESS:
        file(upload).unlink(missing_ok=True)


def register_stories() -> None:
    register(Kind(name="upload", queue="background", load=load, steps=steps, started=started, finished=finished))
