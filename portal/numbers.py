"""Numbers that somebody sent as text."""

DIGITS = 18  # so many fit PostgreSQL's bigint, whatever they are


def parse(text: str) -> int | None:
    """A row's number, a byte's or a size; None for what is none. `int` alone raises where digits are too many."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS else None
