"""Odoo images: the configured one where the engine has it or can pull it, else the stand-in."""

from deploy.environment import Environment
from deploy.progress import Progress, SetupError
from images.build import ImageError, ensure_stand_in, image_id
from portal.commands import CommandError, run

PULL = 1200.0  # seconds


def wanted(values: Environment) -> dict[str, str]:
    """Series -> image, from `18.0=odoo:18.0,16.0=odoo:16.0`."""
    pairs = (part.partition("=") for part in values["BERTH_ODOO_IMAGES"].split(",") if part.strip())
    return {series.strip(): image.strip() for series, _, image in pairs}


def ensure(values: Environment, progress: Progress) -> None:
    """Raises SetupError."""
    try:
        for series, image in wanted(values).items():
            if not image_id(image) and not _pull(image, progress):
                ensure_stand_in(series, progress.stream())
    except ImageError as error:
        raise SetupError(
            str(error), left="Nothing else was changed.", todo="see the output above, then run bin/up again."
        ) from error


def _pull(image: str, progress: Progress) -> bool:
    progress.say(f"the engine has no {image}: pulling it")
    try:
        run(["docker", "pull", "--quiet", image], timeout=PULL)
    except CommandError as error:
        reason = (error.output.strip() or error.reason).splitlines()[-1]
        progress.say(f"it can't be pulled: {reason[:200]}")
        progress.say(f"using Berth's stand-in for Odoo; to use the real one: docker pull {image}, then rebuild")
        return False
    return True
