"""How long a deploy's commands may take, by the size of what they work on. Seconds of a first try; later ones get more.

The measure is a repository: 30 s with 10 MB, 5 min with 2 GB and its submodules; in between by interpolation.
"""

MB = 1024 * 1024
SMALL, LARGE = 10 * MB, 2048 * MB
SMALL_S, LARGE_S = 30.0, 300.0

REQUIREMENTS_S = 600.0  # pip may have to compile
UPDATE_S, UPDATE_S_PER_MB = 600.0, 3.0  # of the database: large tables are rewritten
LONGEST_S = 6 * 3600.0


def transfer_seconds(size: int) -> float:
    """To fetch, export or send `size` bytes. What was never here (0) may be large."""
    if not size:
        return LARGE_S
    share = (size - SMALL) / (LARGE - SMALL)
    return SMALL_S + (LARGE_S - SMALL_S) * min(1.0, max(0.0, share))


def image_seconds(context: int, *, requirements: bool) -> float:
    """To build the image from a context of `context` bytes."""
    return 2 * transfer_seconds(context or 1) + (REQUIREMENTS_S if requirements else 60.0)


def update_seconds(database: int) -> float:
    """To update modules in a database of `database` bytes, live or rehearsed."""
    return min(LONGEST_S, UPDATE_S + UPDATE_S_PER_MB * database / MB)
