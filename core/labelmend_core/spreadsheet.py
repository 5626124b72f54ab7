"""Texts in CSV cells that a spreadsheet would take for a formula, and back."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_MARK = "'"


def escaped(text: str) -> str:
    """Return a text as a CSV cell that no spreadsheet computes: one that begins like a formula gets an apostrophe.

    One that has apostrophes before such a beginning gets one more, so that `unescaped` gives back any text.

    Source: OWASP, "CSV Injection"; the line feed is ours, and the apostrophe before apostrophes.

    Example:
        >>> [escaped(text) for text in ("=1+1", "'=1+1", "it's", "dog")]
        ["'=1+1", "''=1+1", "it's", 'dog']
    """
    return _MARK + text if _begins_like_formula(text) else text


def unescaped(text: str) -> str:
    """Return the text that `escaped` was given.

    Example:
        >>> [unescaped(text) for text in ("'=1+1", "''=1+1", "it's", "=1+1")]
        ['=1+1', "'=1+1", "it's", '=1+1']
    """
    return text[1:] if text.startswith(_MARK) and _begins_like_formula(text) else text


def _begins_like_formula(text: str) -> bool:
    return text.lstrip(_MARK).startswith(_FORMULA)
