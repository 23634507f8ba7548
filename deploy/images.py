"""Odoo images: the configured one where the engine has it or can pull it, else the stand-in."""

from pathlib import Path

from deploy.environment import Environment
from deploy.progress import Progress, SetupError
from images.build import ImageError, ensure_stand_in, image_id
from portal.commands import CommandError, run

PULL = 1200.0  # seconds


def wanted(values: Environment) -> dict[str, str]:
    """Series -> image, from `18.0=odoo:18.0,16.0=odoo:16.0`."""
    pairs = (part.partition("=") for part in values["BERTH_ODOO_IMAGES"].split(",") if part.strip())
    return {series.strip(): image.strip() for series, _, image in pairs}


def ensure(home: Path, values: Environment, progress: Progress) -> None:
    """A registry is asked once for each setting: a machine that reaches none would wait for it at every start.

    Raises SetupError.
    """
    asked = home / "run" / "images-asked-for"
    ask = not asked.exists() or asked.read_text() != values["BERTH_ODOO_IMAGES"]
    try:
        for series, image in wanted(values).items():
            if image_id(image) or (ask and _pull(image, progress)):
                continue
            progress.say(
                f"using Berth's stand-in for Odoo {series}; for the real one: docker pull {image}, then rebuild"
            )
            ensure_stand_in(series, progress.stream("Building"))
    except ImageError as error:
        raise SetupError(
            str(error), left="Nothing else was changed.", todo="see the output above, then run bin/up again."
        ) from error
    asked.write_text(values["BERTH_ODOO_IMAGES"])


def _pull(image: str, progress: Progress) -> bool:
    progress.say(f"the engine has no {image}: pulling it")
    try:
        run(["docker", "pull", "--quiet", image], timeout=PULL)
    except CommandError as error:
        reason = (error.output.strip() or error.reason).splitlines()[-1]
        progress.say(f"it can't be pulled: {reason[:200]}")
        return False
    return True
