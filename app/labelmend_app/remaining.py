"""What remains, as sentences, columns and records: "about 140 missing labels remain (90 %: 95 to 190)"."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelmend_app.number_words import about
from labelmend_core.detection import Left
from labelmend_core.types import Kind


def remaining_sentences(left: Mapping[Kind, Left]) -> list[str]:
    """Return a sentence a kind of error, none where no sample was drawn."""
    return [_sentence(kind, known) for kind, known in left.items()]


def outlook_sentences(still_open: int, likely: Mapping[int, int], following: Mapping[int, float]) -> list[str]:
    """Return how likely the open suggestions are and what the next ones will bring, nothing where none is open.

    Args:
        still_open: open suggestions.
        likely: how many of them are at least so many percent likely.
        following: errors among the next so many.

    Example:
        >>> outlook_sentences(700, {90: 120, 50: 600}, {100: 94.8, 500: 431.2, 2000: 520.0})[1]
        'Of the next 100 about 95 are errors, of the next 500 about 430, of all 700 about 520.'
    """
    if not still_open:
        return []
    told = ", ".join(f"{n:,} are at least {percent} % likely" for percent, n in likely.items())
    whole = {min(n, still_open): errors for n, errors in following.items()}
    errors = [
        f"of {'all' if n == still_open else 'the next'} {n:,} about {about(found)}{' are errors' * (place == 0)}"
        for place, (n, found) in enumerate(whole.items())
    ]
    return [f"Of the open suggestions {told}.", f"{', '.join(errors).capitalize()}."]


def remaining_record(left: Mapping[Kind, Left], class_names: Sequence[str]) -> dict[str, Any]:
    """Return the same for machines, by kind; `total` is None while the sample has too few answers."""
    return {kind.value: _record(known, class_names) for kind, known in left.items()}


def remaining_columns(left: Mapping[Kind, Left]) -> dict[str, list[str]]:
    """Return a column a kind: "12 (5 to 30)", what remains in a class with its 90 % interval.

    By the sample once it has enough answers, by the error probabilities until then.
    """
    return {
        f"{kind.value.title()} left (90 %)": [
            f"{about(total)} ({about(low)} to {about(high)})"
            for total, low, high in (known.estimate or known.expected).per_class.tolist()
        ]
        for kind, known in left.items()
    }


def _sentence(kind: Kind, known: Left) -> str:
    estimate = known.estimate
    if estimate is None:
        if not known.drawn:
            return f"No label can be {'missing' if kind is Kind.MISSING else 'spurious'}: there is nothing to estimate."
        left = known.expected
        return (
            f"About {about(left.n)} {kind.value} labels are expected (90 %: {about(left.low)} to {about(left.high)}); "
            f"answer about {known.answers_needed:,} more suggestions, of several classes, to know better."
        )
    remain = (
        f"About {about(estimate.total)} {kind.value} labels remain "
        f"(90 %: {about(estimate.low)} to {about(estimate.high)})"
    )
    if not estimate.next_n:
        return f"{remain}; no suggestion is open."
    following = "suggestion" if estimate.next_n == 1 else f"{estimate.next_n:,} suggestions"
    return f"{remain}; the next {following} will mend about {about(estimate.next_mends)}."


def _record(known: Left, class_names: Sequence[str]) -> dict[str, Any]:
    estimate, left = known.estimate, known.expected
    record: dict[str, Any] = {"drawn": known.drawn, "audited": known.audited, "answers_needed": known.answers_needed}
    expected = {"total": left.n, "low": left.low, "high": left.high, "classes": _classes(left.per_class, class_names)}
    record["expected"] = expected
    if estimate is None:
        return {**record, "total": None}
    record |= {"total": estimate.total, "low": estimate.low, "high": estimate.high}
    record |= {"next": estimate.next_n, "next_mends": round(estimate.next_mends, 1)}
    classes = _classes(estimate.per_class, class_names)
    return {**record, "reviewer_errs": round(estimate.slips, 4), "classes": classes}


def _classes(per_class: NDArray[np.float64], class_names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"class": name, "total": total, "low": low, "high": high}
        for name, (total, low, high) in zip(class_names, per_class.tolist(), strict=True)
    ]
