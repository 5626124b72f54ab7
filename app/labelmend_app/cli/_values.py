"""NAME=VALUE options."""

from labelmend_core.errors import InputError


def pairs(values: list[str] | None) -> list[tuple[str, str]]:
    """Return name and value of every `NAME=VALUE`."""
    found = []
    for value in values or []:
        name, equals, content = value.partition("=")
        if not equals or not name:
            raise InputError(f"Expected NAME=VALUE, got {value!r}")
        found.append((name, content))
    return found


def plain(value: str) -> str | int | float | bool:
    """Return the number or truth value that a text spells, the text itself otherwise."""
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for number in (int, float):
        try:
            return number(value)
        except ValueError:
            continue
    return value
