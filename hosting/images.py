"""Odoo images: which one a series is built on."""

from dataclasses import dataclass

from django.conf import settings

from hosting import machines
from hosting.models import Host
from images.build import ImageError, ensure_stand_in
from portal.commands import Output
from portal.stories import PlatformError


@dataclass(frozen=True)
class Base:
    """The image that builds of a series start from. `name` is for people, and says which of that name it is."""

    image_id: str
    name: str
    stand_in: bool


def base(host: Host, series: str, output: Output) -> Base:
    """The configured image if the engine has it (bin/up pulls what can be pulled), else Berth's stand-in.

    Raises PlatformError.
    """
    wanted = settings.BERTH_ODOO_IMAGES.get(series, "")
    image = machines.engine(host).image(wanted) if wanted else None
    if image is not None:
        return _named(wanted, image.id, stand_in=False)
    try:
        return _named(f"stand-in for Odoo {series}", ensure_stand_in(series, output), stand_in=True)
    except ImageError as error:
        raise PlatformError(
            f"There is no image of Odoo {series} on this machine",
            f"{wanted or 'No image'} is not there, and the stand-in could not be made: {error}",
            f"Pull {wanted or 'an Odoo image'} on this machine, or run bin/up; then rebuild.",
        ) from error


def _named(name: str, image_id: str, *, stand_in: bool) -> Base:
    return Base(image_id, f"{name} ({image_id.removeprefix('sha256:')[:12]})", stand_in=stand_in)
