"""Cells in the order of their suspicion, missing and spurious apart, each with its probability of being an error."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from labelmend_core.detection.calibrate import Calibration, calibrate, calibrate_expected
from labelmend_core.detection.combine import Scores, combine, mean_opinion, weights_of
from labelmend_core.detection.labelling import eased, eased_tail
from labelmend_core.types import ABSENT, PRESENT, Kind, LabelMatrix

Mask = NDArray[np.bool_]
_KINDS = [kind.value for kind in Kind]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Cells that may be errors of one kind, and how likely they are.

    Attributes:
        kind: of error.
        score: float32 (N, K), log-odds that the class is present.
        among: bool (N, K), which cells.
        calibration: from suspicion, the log-odds that the label is wrong, to the probability that it is.
    """

    kind: Kind
    score: NDArray[np.float32]
    among: Mask
    calibration: Calibration

    def probable(self, min_probability: float) -> pd.DataFrame:
        """Return the cells whose error_probability is at least this, all but their rank."""
        rows, columns, suspicion = self._cells()
        step = np.searchsorted(self.calibration.edges, suspicion, side="right")
        kept = np.flatnonzero((self.calibration.probability >= min_probability)[step])
        suspicion = suspicion[kept]
        probability, low, high = self.calibration(suspicion)
        return pd.DataFrame(
            {
                "image_index": rows[kept].astype(np.int64),
                "class_index": columns[kept].astype(np.int64),
                "kind": self.kind.value,
                "label_quality": 1 / (1 + np.exp(suspicion.astype(np.float64))),
                "error_probability": probability,
                "low": low,
                "high": high,
            }
        )

    def every(self) -> pd.DataFrame:
        """Return all cells, with no more than an audit sample is drawn from."""
        rows, columns, suspicion = self._cells()
        step = np.searchsorted(self.calibration.edges, suspicion, side="right")
        code = np.full(len(rows), list(Kind).index(self.kind), dtype=np.int8)
        return pd.DataFrame(
            {
                "image_index": rows,
                "class_index": columns,
                "kind": pd.Categorical.from_codes(code, categories=_KINDS),
                "error_probability": self.calibration.probability[step],
            }
        )

    def _cells(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        """Return images, classes and suspicion: small numbers, for there may be millions of cells."""
        cells, n_classes = np.flatnonzero(self.among), self.among.shape[1]
        rows, columns = (cells // n_classes).astype(np.int32), (cells % n_classes).astype(np.int32)
        return rows, columns, _suspicion(self.kind, self.score[self.among])


def judge(labels: LabelMatrix, scores: Scores) -> list[Candidates]:
    """Return the cells that may be errors, those that are calibrated together in one item; NaN rows are left out.

    Args:
        labels: (N, K), as given.
        scores: of every cell, as `scores_of` gives them.
    """
    order = {kind: combine(scores, kind) for kind in Kind}
    known, given = ~np.isnan(order[Kind.MISSING]), labels.dense()
    present, absent = known & (given == PRESENT), known & (given == ABSENT)
    unobserved = known & ~present & ~absent
    if "labelling" not in scores:
        error_like = {Kind.MISSING: order[Kind.MISSING][present], Kind.SPURIOUS: order[Kind.SPURIOUS][known & ~present]}
        return compared(order, (unobserved, absent, present), error_like)
    # A verified negative is rarely wrong, and how rarely is read from such cells alone: they are compared with present
    # cells as these look without their label.
    as_if = combine({**scores, "labelling": mean_opinion(scores)}, Kind.MISSING)
    return [
        _expected(Kind.MISSING, order[Kind.MISSING], unobserved, scores["labelling"]),
        _compared(Kind.MISSING, order[Kind.MISSING], absent, as_if[present]),
        _expected(Kind.SPURIOUS, order[Kind.SPURIOUS], present, scores["labelling"]),
    ]


def compared(
    order: Mapping[Kind, NDArray[np.float32]],
    among: tuple[Mask, Mask, Mask],
    error_like: Mapping[Kind, NDArray[np.float32]],
) -> list[Candidates]:
    """Return what `judge` does, by comparison with cells that look as errors do.

    Args:
        order: of each kind, (N, K).
        among: (N, K) each, the unobserved cells, the absent and the present ones.
        error_like: of each kind, the score of cells that look as its errors do.
    """
    unobserved, absent, present = among
    return [
        _compared(Kind.MISSING, order[Kind.MISSING], unobserved, error_like[Kind.MISSING]),
        _compared(Kind.MISSING, order[Kind.MISSING], absent, error_like[Kind.MISSING]),
        _compared(Kind.SPURIOUS, order[Kind.SPURIOUS], present, error_like[Kind.SPURIOUS]),
    ]


def ranked(candidates: list[Candidates], min_probability: float) -> pd.DataFrame:
    """Return the cells whose error_probability is at least this, the likeliest of each kind first."""
    of_kind = [[found.probable(min_probability) for found in candidates if found.kind is kind] for kind in Kind]
    return pd.concat([_ranked(pd.concat(found, ignore_index=True)) for found in of_kind], ignore_index=True)


def with_contributions(cells: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """Return the cells with a column for each score: what it adds to the suspicion of the cell, in log-odds."""
    rows, columns = cells["image_index"].to_numpy(), cells["class_index"].to_numpy()
    sign = np.where(cells["kind"] == Kind.MISSING.value, 1, -1).astype(np.float32)
    missing = sign > 0
    of_kind = [weights_of(scores, kind) for kind in Kind]
    weights = {name: np.where(missing, *(one.get(name, 0.0) for one in of_kind)) for name in of_kind[0] | of_kind[1]}
    added = {name: sign * weights[name].astype(np.float32) * scores[name][rows, columns] for name in weights}
    return cells.assign(**added)


def _compared(kind: Kind, score: NDArray[np.float32], among: Mask, error_like: NDArray[np.float32]) -> Candidates:
    """Return the cells of `among`, calibrated by cells whose score is like that of errors."""
    return Candidates(kind, score, among, calibrate(_suspicion(kind, score[among]), _suspicion(kind, error_like)))


def _expected(kind: Kind, score: NDArray[np.float32], among: Mask, presence: NDArray[np.float32]) -> Candidates:
    """Return the cells of `among`, calibrated by the log-odds that the class is present."""
    wrong = expit(_suspicion(kind, presence[among]).astype(np.float64))
    corrected = eased if kind is Kind.MISSING else eased_tail
    return Candidates(kind, score, among, calibrate_expected(_suspicion(kind, score[among]), wrong, corrected))


def _suspicion(kind: Kind, score: NDArray[np.float32]) -> NDArray[np.float32]:
    return score if kind is Kind.MISSING else -score


def _ranked(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the likeliest error first, then the more suspicious."""
    order = np.lexsort((cells["label_quality"], -cells["error_probability"]))
    ranked = cells.iloc[order].reset_index(drop=True)
    ranked["rank"] = np.arange(1, len(ranked) + 1)
    return ranked
