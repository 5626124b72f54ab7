"""Which suggestions somebody wants to see, as the address says it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_app.explore.cells import Known, State, keys
from labelmend_app.whole_number import whole_number
from labelmend_core.types import PRESENT, Kind

CLASS, KIND, LEAST, MOST, STATES, BY, FILE, GIVEN = "class", "kind", "least", "most", "decision", "by", "file", "given"
NAMES = (CLASS, KIND, LEAST, MOST, STATES, BY, FILE, GIVEN)
_ROUNDING = 1e-6  # 90 % is 90 %, whatever a float makes of it
_LONGEST = 200  # characters of a file name to look for


@dataclass(frozen=True)
class Filter:
    """What a suggestion must be; what is not said is not asked.

    Attributes:
        class_index: the class that it is about.
        kind: missing or spurious.
        least, most: error probability now, in percent.
        states: what became of it; none stands for any.
        by: somebody who has said something of it.
        file: a part of the name of the image, in upper or lower case.
        given: a class that the image carries as it was given.
    """

    class_index: int | None = None
    kind: Kind | None = None
    least: int = 0
    most: int = 100
    states: tuple[State, ...] = ()
    by: str | None = None
    file: str = ""
    given: int | None = None

    def parameters(self) -> dict[str, str]:
        """Return what an address needs to lead back to it.

        Example:
            >>> Filter(class_index=3, least=90, states=(State.OPEN, State.SKIPPED)).parameters()
            {'class': '3', 'least': '90', 'decision': 'open,skipped'}
        """
        said = {
            CLASS: self.class_index,
            KIND: None if self.kind is None else self.kind.value,
            LEAST: self.least or None,
            MOST: None if self.most == 100 else self.most,
            STATES: ",".join(self.states) or None,
            BY: self.by,
            FILE: self.file or None,
            GIVEN: self.given,
        }
        return {name: str(value) for name, value in said.items() if value is not None}


def read_filter(parameters: Mapping[str, str], n_classes: int, reviewers: Collection[str]) -> Filter:
    """Return what an address asks for; what it names wrongly is as good as not named."""
    kind, by = parameters.get(KIND), parameters.get(BY)
    least = whole_number(parameters.get(LEAST), 100) or 0
    most = whole_number(parameters.get(MOST), 100)
    named = parameters.get(STATES, "").split(",")
    return Filter(
        class_index=whole_number(parameters.get(CLASS), n_classes - 1),
        kind=Kind(kind) if kind in tuple(Kind) else None,
        least=least,
        most=100 if most is None or most < least else most,
        states=tuple(state for state in State if state in named),
        by=by if by in reviewers else None,
        file=parameters.get(FILE, "")[:_LONGEST],
        given=whole_number(parameters.get(GIVEN), n_classes - 1),
    )


def filtered(known: Known, asked: Filter) -> pd.DataFrame:
    """Return the suggestions that a filter lets through, the likeliest first: a table as `Known.table` has it."""
    cells = known.suggestions
    images, classes = cells["image_index"].to_numpy(), cells["class_index"].to_numpy()
    within = np.ones(len(cells), dtype=bool)
    if asked.class_index is not None:
        within &= classes == asked.class_index
    if asked.kind is not None:
        within &= (cells["kind"] == asked.kind.value).to_numpy()
    if (asked.least, asked.most) != (0, 100):
        percent = 100 * cells["probability"].to_numpy()
        within &= (percent >= asked.least - _ROUNDING) & (percent <= asked.most + _ROUNDING)
    if asked.states:
        within &= cells["state"].isin([state.value for state in asked.states]).to_numpy()
    if asked.by is not None:
        within &= np.isin(keys(images, classes), known.answered_by(asked.by))
    if asked.file:
        within &= _named(known, asked.file)[images]
    if asked.given is not None:
        within &= (known.workspace.dataset.given_labels.column(asked.given) == PRESENT)[images]
    return cells[within]


def _named(known: Known, part: str) -> NDArray[np.bool_]:
    """Return which images have a part in their name, bool (N,)."""
    part = part.casefold()
    return np.array([part in name.casefold() for name in known.workspace.dataset.image_ids], dtype=bool)
