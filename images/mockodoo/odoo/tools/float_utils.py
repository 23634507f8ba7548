"""Comparing and rounding amounts."""


def float_round(value: float, precision_digits: int | None = None, precision_rounding: float | None = None) -> float:
    step = precision_rounding if precision_rounding is not None else 10.0 ** -(precision_digits or 0)
    return round(round(value / step) * step, 12)


def float_is_zero(value: float, precision_digits: int | None = None, precision_rounding: float | None = None) -> bool:
    return float_round(value, precision_digits, precision_rounding) == 0


def float_compare(
    first: float, second: float, precision_digits: int | None = None, precision_rounding: float | None = None
) -> int:
    """-1, 0 or 1 as `first` is below, equal to or above `second` at this precision."""
    one = float_round(first, precision_digits, precision_rounding)
    other = float_round(second, precision_digits, precision_rounding)
    return (one > other) - (one < other)
