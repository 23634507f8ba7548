"""The portal's rows on a machine that has nothing of what they tell; imported once there are settings."""

from builds import recovery
from hosting.models import Place


def mend(place: str, address: str) -> list[str]:
    """Write off what was lost and begin to bring production back; the names of the projects.

    The place from which the rows came may be called otherwise from here (a disk that is mounted elsewhere).
    """
    Place.objects.filter(name=place).update(address=address.rstrip("/").rpartition("/")[0])
    return recovery.begin_all()
