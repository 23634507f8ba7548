"""An archive that was looked at is imported into the branch that it was brought for, production or a staging branch."""

from builds import restore
from builds import upload as uploads
from builds.models import Build, Restore, Upload
from portal.models import User
from projects.models import Branch, Stage


def refusal(branch: Branch, upload: Upload) -> str:
    """Why it can't be imported there now, "" when it can."""
    if branch.stage == Stage.PRODUCTION:
        return restore.import_refusal(branch, upload)
    return uploads.staging_refusal(branch, upload)


def begin(*, branch: Branch, upload: Upload, by: User) -> Restore | Build:
    """Production's database is replaced by a restore, that of a staging branch by a build. Raises ProjectError."""
    if branch.stage == Stage.PRODUCTION:
        return restore.begin_import(branch=branch, upload=upload, by=by)
    return uploads.into_staging(branch=branch, upload=upload, by=by)
