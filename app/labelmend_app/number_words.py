"""Numbers as a sentence tells them."""

from math import floor, log10


def about(value: float) -> str:
    """Return a number with its two leading digits, the rest zeros: more would not be true."""
    if value < 10:
        return f"{value:.0f}"
    step = 10.0 ** (floor(log10(value)) - 1)
    return f"{round(value / step) * step:,.0f}"


def count(n: float, one: str, many: str = "") -> str:
    """Return a number with its noun.

    Example:
        >>> count(1, "image"), count(1312, "image"), count(2, "class", "classes")
        ('1 image', '1,312 images', '2 classes')
    """
    told = about(n) if isinstance(n, float) else f"{n:,}"
    return f"{told} {one if told == '1' else many or one + 's'}"
