"""Cells as a table: of what kind, how likely an error now, and what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmend_app.review.selected import look
from labelmend_core.detection import Outlook
from labelmend_core.ledger.cells import Places
from labelmend_core.ledger.verdicts import last_of_strongest
from labelmend_core.types import PRESENT, IntArray, Kind, Verdict
from labelmend_core.workspace import Workspace

_IMAGES = 2**32
_KINDS = [Kind.MISSING.value, Kind.SPURIOUS.value]


class State(StrEnum):
    """What became of a cell; a skipped one is open as well, but somebody has seen it."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNSURE = "unsure"
    SKIPPED = "skipped"


_STATES = [state.value for state in State]


@dataclass(frozen=True, eq=False)
class Known:
    """All that is known of the cells of a workspace in the light of one run.

    Attributes:
        workspace: whose cells.
        run_id: a run with suggestions.
        outlook, places: its suggestions.
        decided: the standing decisions, as `Cells.decided` returns them.
    """

    workspace: Workspace
    run_id: str
    outlook: Outlook
    places: Places
    decided: pd.DataFrame

    @classmethod
    def of(cls, workspace: Workspace, run_id: str) -> "Known":
        """Return what is known now."""
        return cls(workspace, run_id, *look(workspace, run_id), workspace.cells.decided())

    @cached_property
    def suggestions(self) -> pd.DataFrame:
        """The suggestions of the run, as `table` has them, the likeliest first."""
        found = self.table(self.places.image, self.places.class_index)
        order = np.argsort(-found["probability"].to_numpy(), kind="stable")
        return found.iloc[order].reset_index(drop=True)

    def table(self, images: IntArray, classes: IntArray) -> pd.DataFrame:
        """Return what is known of cells, a row each, in their order.

        Columns image_index, class_index, kind, probability (of an error now, in [0, 1]; 1 or 0 where somebody says so;
        NaN where nothing is suggested) and state. A cell that is no suggestion is of the kind that its given label
        could be: spurious where it is present, missing elsewhere.
        """
        place = self.places.of(images, classes)
        suggested, ranking = place >= 0, self.outlook.ranking
        spurious = np.zeros(len(images), dtype=bool)
        probability = np.full(len(images), nan)
        if len(ranking.kinds):
            of_queue = np.array([kind is Kind.SPURIOUS for kind in ranking.kinds])
            spurious[suggested] = of_queue[ranking.queue[place[suggested]]]
            probability[suggested] = self.outlook.probability[place[suggested]]
        if not suggested.all():
            other = ~suggested
            given = self.workspace.dataset.given_labels.values(images[other], classes[other])
            spurious[other] = given == PRESENT
        return pd.DataFrame(
            {
                "image_index": images,
                "class_index": classes,
                "kind": pd.Categorical.from_codes(spurious.astype(np.int8), _KINDS),
                "probability": probability,
                "state": pd.Categorical.from_codes(self._states(images, classes, spurious), _STATES),
            }
        )

    def answered_by(self, reviewer: str) -> IntArray:
        """Return keys, rising, of the cells that a reviewer has said something of: see `keys`."""
        rows = self.decided[self.decided["reviewer"] == reviewer]
        return np.unique(keys(rows["image_index"].to_numpy(np.int64), rows["class_index"].to_numpy(np.int64)))

    def said_by(self, images: Sequence[int], classes: Sequence[int]) -> list[str]:
        """Return who has said something that stands of each cell, in the order of time: "Anna, Ben"."""
        wanted = keys(np.array(images, dtype=np.int64), np.array(classes, dtype=np.int64)).tolist()
        rows = self.decided[self.decided["image_index"].isin(images) & self.decided["class_index"].isin(classes)]
        said: dict[int, dict[str, None]] = {}
        for key, reviewer in zip(
            keys(rows["image_index"].to_numpy(np.int64), rows["class_index"].to_numpy(np.int64)).tolist(),
            rows["reviewer"],
            strict=True,
        ):
            said.setdefault(key, {})[str(reviewer)] = None
        return [", ".join(said.get(key, ())) for key in wanted]

    @cached_property
    def reviewers(self) -> list[str]:
        """Everybody who has said something that stands."""
        return sorted(self.decided["reviewer"].unique())

    @cached_property
    def _last(self) -> tuple[IntArray, NDArray[np.str_]]:
        """What counts of each cell that somebody has decided: its key, rising, and the verdict."""
        rows = last_of_strongest(self.decided)
        found = keys(rows["image_index"].to_numpy(np.int64), rows["class_index"].to_numpy(np.int64))
        order = np.argsort(found)
        return found[order], rows["verdict"].to_numpy(str)[order]

    def _states(self, images: IntArray, classes: IntArray, spurious: NDArray[np.bool_]) -> NDArray[np.int8]:
        """Return the number of the state of each cell."""
        states = np.full(len(images), _STATES.index(State.OPEN), dtype=np.int8)
        known, verdict = self._last
        if not len(known):
            return states
        wanted = keys(images, classes)
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        said = np.where(known[place] == wanted, verdict[place], "")
        mends = said == np.where(spurious, Verdict.ABSENT.value, Verdict.PRESENT.value)
        leaves = said == np.where(spurious, Verdict.PRESENT.value, Verdict.ABSENT.value)
        for state, which in (
            (State.ACCEPTED, mends),
            (State.REJECTED, leaves),
            (State.UNSURE, said == Verdict.UNSURE.value),
            (State.SKIPPED, said == Verdict.SKIP.value),
        ):
            states[which] = _STATES.index(state)
        return states


def keys(images: IntArray, classes: IntArray) -> IntArray:
    """Return one number a cell."""
    return classes * _IMAGES + images
