"""A whole number out of an address or an argument, which anybody can write."""

_LONGEST = 16  # digits; Python refuses to read thousands of them


def whole_number(text: str | None, most: int, *, least: int = 0) -> int | None:
    """Return the number from `least` to `most` that a text is, None where it is none.

    Example:
        >>> whole_number("7", 9), whole_number("10", 9), whole_number("-1", 9), whole_number("٣", 9)
        (7, None, None, None)
    """
    if text is None or len(text) > _LONGEST or not (text.isascii() and text.isdigit()):
        return None
    number = int(text)
    return number if least <= number <= most else None
