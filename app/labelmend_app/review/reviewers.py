"""Who reviews: what a name may be, and which one to begin with."""

import getpass
import os
import unicodedata

from labelmend_core.errors import InputError

REVIEWER_VARIABLE = "LABELMEND_REVIEWER"
LONGEST_NAME = 80
_NO_TEXT = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of one, breaks of lines and paragraphs


def reviewer_name(text: str) -> str:
    """Return a reviewer's name as the ledger keeps it: trimmed, and in one of the ways to write the same letters.

    Raises:
        InputError: it is empty, longer than 80 characters, or no single line of text.

    Example:
        >>> reviewer_name("  Ann ")
        'Ann'
    """
    name = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InputError(f"Expected a reviewer's name of 1 to {LONGEST_NAME} characters, got {len(name)}.")
    if any(unicodedata.category(character) in _NO_TEXT for character in name):
        raise InputError("Expected a reviewer's name in one line, got one with control characters or line breaks.")
    return name


def default_reviewer() -> str:
    """Return the name that `labelmend review --reviewer` was given, else the account that the server runs under."""
    try:
        return reviewer_name(os.environ.get(REVIEWER_VARIABLE) or getpass.getuser())
    except (KeyError, OSError, InputError):  # a container may run under an id without a name
        return "reviewer"
