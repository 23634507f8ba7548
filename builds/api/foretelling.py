"""What the dangerous requests would do, be it for `?dry_run=1`: from the same functions that refuse or do it."""

from builds import again, begin, deletion, importing, merging, restore, rollback, stages
from builds import backup as stories_of_backups
from builds.models import Build, Retired, Upload
from hosting import runtimes
from hosting.models import Backup
from portal.api.foretold import Foretelling, foretold
from portal.stories import StoryError
from projects.models import Branch, Project, Stage

OUTSIDE = "Mails that were sent, and calls to other services, stay sent."


def deploy(branch: Branch, commit: str, refused: str = "", *, image_of: Build | None = None) -> Foretelling:
    would = [f"{commit[:7]} is built for {branch}, on {branch.stage}; what serves goes on serving meanwhile."]
    runtime = branch.runtime or runtimes.newest(branch.project.host, branch.project.series)
    if image_of is not None:
        would += [f"The image of #{image_of.number} is used again, or made again if it is gone by then."]
        runtime = image_of.runtime
    if runtime is not None:
        would += [f"It is made of {runtime}, {runtime.name}."]
    lost: list[str] = []
    if branch.stage == Stage.PRODUCTION:
        would += [
            "Modules whose version rose are updated, after a rehearsal on a copy and an automatic backup.",
            "Requests go to the new pool once it has proven itself; the old one is kept for a while.",
        ]
    elif branch.stage == Stage.STAGING:
        would += ["It gets a new copy of production, neutralised, in place of the present database."]
        lost = ["What was written in the present copy; it stays until it is cleaned up."]
    else:
        would += ["It gets a fresh database with demo data, in place of the present one."]
        lost = ["What was written in the present database; it stays until it is cleaned up."]
    refused = refused or begin.refusal(branch.project, takes_image=image_of is not None)
    return foretold(would, lost=lost if branch.instance_id else [], refused=refused)


def rebuild(build: Build) -> Foretelling:
    return deploy(build.branch, build.commit, _deleted(build))


def build_head(branch: Branch) -> Foretelling:
    return deploy(branch, branch.head, "" if branch.head else f"{branch} has no commit yet.")


def _deleted(build: Build) -> str:
    return f"{build.branch} was deleted on GitHub." if build.branch.deleted_at is not None else ""


def roll_back(build: Build) -> Foretelling:
    instance = build.instance
    serving = Build.objects.serving(instance) if instance is not None else None
    updated = rollback.updated_since(build, serving)
    left = f" from #{serving.number}" if serving else ""
    return foretold(
        [f"Requests go back{left} to #{build.number} within a second; those in flight end where they are."],
        stays=[
            "Whatever was written since, attachments included: only the code changes.",
            OUTSIDE,
            *([f"Updates of modules: {', '.join(updated)}."] if updated else []),
        ],
        refused=rollback.refusal(build.pool),
    )


def deploy_again(build: Build) -> Foretelling:
    try:
        again.refuse_serving(build)
    except StoryError as error:
        return foretold([], refused=error.in_words)
    return deploy(build.branch, build.commit, image_of=again.with_image(build))


def move(branch: Branch, stage: Stage, attach: Retired | None) -> Foretelling:
    if stage == branch.stage:
        return foretold([])
    retires = branch.stage == Stage.PRODUCTION and branch.instance is not None
    refused = stages.refusal(branch, stage)
    if not refused and attach is not None:
        refused = stages.attach_refusal(branch.project)
    if not refused and not retires and stages.begins_build(branch, branch.stage, stage):
        refused = begin.refusal(branch.project)
    lost: list[str] = []
    if branch.stage == Stage.PRODUCTION and branch.instance is not None:
        lost = [f"{branch.instance.hostname} answers nobody any more, until a branch is moved to production."]
    return foretold(stages.effects(branch, stage, attach), lost=lost, refused=refused)


def merge(branch: Branch, into: Branch) -> Foretelling:
    return foretold(
        merging.effects(branch, into),
        stays=["The merge commit: it is taken back by another commit."],
        refused=merging.refusal(branch, into),
    )


def restore_backup(branch: Branch, backup: Backup) -> Foretelling:
    taken = f"{backup.taken_at:%Y-%m-%d %H:%M} UTC" if backup.taken_at else "then"
    return foretold(
        [
            f"Production's database as it was on {taken} is made beside the present one, which goes on serving.",
            "What is there now is backed up; where that fails nothing is restored, unless `force` is sent.",
            "Visitors wait for some seconds while the two change places; when it doesn't answer, all is put back.",
            "The present database is kept for 24 hours.",
        ],
        lost=[f"Everything that was written since {taken}: records, attachments, users, settings of Odoo."],
        stays=[OUTSIDE],
        refused=restore.refusal(branch, backup),
    )


def import_upload(branch: Branch, upload: Upload) -> Foretelling:
    refused = importing.refusal(branch, upload)
    if branch.stage != Stage.PRODUCTION:
        return foretold(
            [
                f"{branch.head[:7]} is built for {branch}, on the imported database instead of a copy of production; "
                "what serves goes on serving meanwhile.",
                "The database is neutralised before anything starts on it.",
            ],
            lost=["What was written in the present database; it stays until it is cleaned up."],
            refused=refused or begin.refusal(branch.project),
        )
    return foretold(
        [
            f"{upload.name} is restored beside production, which goes on serving.",
            "Its scheduled actions and mail servers are switched off, to be switched on one by one.",
            "The code that serves opens it; modules of another version are updated in it.",
            "What is there now is backed up.",
            "Visitors wait for some seconds while the two change places; when it doesn't answer, all is put back.",
            "The present database is kept for 24 hours.",
        ],
        lost=["All that production holds now: records, attachments, users and their passwords."],
        stays=[OUTSIDE],
        refused=refused,
    )


def delete_backup(backup: Backup) -> Foretelling:
    return foretold(
        [f"Backup {backup.pk} is let go of."],
        lost=["What it holds, but for what other backups hold as well."],
        refused=stories_of_backups.deletion_refusal(backup),
    )


def delete_project(project: Project) -> Foretelling:
    days, production = deletion.GRACE.days, project.branches.alive().filter(stage=Stage.PRODUCTION).first()
    no_backup = stories_of_backups.refusal(project, production.instance if production else None)
    return foretold(
        [
            f"There is no last backup: {no_backup}" if no_backup else "Production is backed up a last time.",
            "Its databases stop, and its addresses answer nobody.",
            "Builds that wait are ended, and invitations withdrawn. Only admins see it, who can undo this.",
            f"After {days} days what it has is removed; its address and repository are free for others then.",
        ],
        lost=[f"After {days} days: databases, files, settings, domains, deploy keys, webhooks, members."],
        stays=["Its last backups, until the operator removes them.", "The repository at GitHub."],
    )
