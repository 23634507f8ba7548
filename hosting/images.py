"""Odoo images: which one of a series this machine has now. Builds are made of frozen ones: see hosting/runtimes.py."""

from dataclasses import dataclass

from django.conf import settings

from hosting import machines
from hosting.models import Host
from images.build import ImageError, ensure_stand_in
from portal.commands import Output
from portal.stories import PlatformError


@dataclass(frozen=True)
class Present:
    """`image` is the name that led to it, "" for the stand-in; `digest` is a registry's, where one has it."""

    image_id: str
    image: str = ""
    digest: str = ""


def configured(series: str) -> str:
    """The image that the installation's settings name, "" where they name none."""
    return str(settings.BERTH_ODOO_IMAGES.get(series, ""))


def offered() -> list[str]:
    """The series that the installation's settings name, oldest first."""
    return sorted(settings.BERTH_ODOO_IMAGES, key=float)


def present(host: Host, series: str, output: Output) -> Present:
    """The configured image if the engine has it (bin/up pulls what can be pulled), else Berth's stand-in.

    Raises PlatformError.
    """
    found, wanted = odoo(host, series), configured(series)
    if found is not None:
        return found
    try:
        return Present(ensure_stand_in(series, output))
    except ImageError as error:
        raise PlatformError(
            f"There is no image of Odoo {series} on this machine",
            f"{wanted or 'No image'} is not there, and the stand-in could not be made: {error}",
            f"Pull {wanted or 'an Odoo image'} on this machine, or run bin/up; then rebuild.",
        ) from error


def odoo(host: Host, series: str) -> Present | None:
    """The configured image, None where the engine hasn't it. Raises PlatformError where it says that it is another
    series.
    """
    wanted = configured(series)
    found = machines.engine(host).image(wanted) if wanted else None
    if found is None:
        return None
    said = found.env.get("ODOO_VERSION", series)
    if said != series:
        raise PlatformError(
            f"{wanted} is Odoo {said}, not Odoo {series}",
            "So the image itself says. It was not taken.",
            f"Let BERTH_ODOO_IMAGES name an image of Odoo {series}.",
        )
    return Present(found.id, wanted, found.digest)
