"""How much memory and how many workers an Odoo needs. Memory is in bytes."""

import math

MIB = 1024 * 1024
GIB = 1024 * MIB

PADDING = 256 * MIB
"""What a container gets on top when somebody insists on less memory than the floor."""

USERS_PER_WORKER = 6
"""Odoo's rule of thumb: https://www.odoo.com/documentation/18.0/administration/on_premise/deploy.html#worker-number-calculation"""

HEAVY_SHARE, HEAVY, LIGHT = 0.2, 1024 * MIB, 150 * MIB
"""Odoo's estimate of what requests take: one of five is heavy. Same page."""

_FLOORS = ((14, 1024), (18, 1536), (19, 2048))


def memory_floor(major: int) -> int:
    """The least memory with which this major version runs well; between the measured series by interpolation."""
    if major <= _FLOORS[0][0]:
        return _FLOORS[0][1] * MIB
    for (low, low_mib), (high, high_mib) in zip(_FLOORS, _FLOORS[1:], strict=False):
        if major <= high:
            return (low_mib + (high_mib - low_mib) * (major - low) // (high - low)) * MIB
    return _FLOORS[-1][1] * MIB


def granted_memory(wanted: int, major: int) -> int:
    """What a container gets whose owner asked for `wanted`: padded when that is below the floor."""
    return wanted + PADDING if wanted < memory_floor(major) else wanted


def memory_warning(wanted: int, major: int) -> str:
    """What to tell who asks for less than the floor; "" when it is enough."""
    floor = memory_floor(major)
    if wanted >= floor:
        return ""
    return (
        f"Odoo {major} needs at least {floor // MIB} MB; with {wanted // MIB} MB it may be stopped in the middle of a "
        f"request. If you keep it, Berth adds {PADDING // MIB} MB as padding."
    )


def workers_for_cpus(cpus: float) -> int:
    """CPU x 2 + 1, Odoo's rule of thumb."""
    return max(1, math.floor(cpus * 2) + 1)


def workers_for_users(users: int) -> int:
    """How many workers so many concurrent users need."""
    return max(1, math.ceil(users / USERS_PER_WORKER))


def memory_for_workers(workers: int) -> int:
    """What so many workers take together, by Odoo's estimate."""
    return round(workers * (HEAVY_SHARE * HEAVY + (1 - HEAVY_SHARE) * LIGHT))
