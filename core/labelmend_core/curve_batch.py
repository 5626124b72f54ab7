"""The rest of the batch that a curve is drawn in, for losses whose cells depend on one another."""

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from labelmend_core.errors import InputError


@dataclass(frozen=True, slots=True)
class CurveBatch:
    """The fixed cells beside which a curve varies one: logits evenly spaced, the highest of them present.

    Attributes:
        others: How many, at least one.
        low, high: The smallest and the largest logit.
        present: How many of them are present; the rest are unobserved.

    Raises:
        InputError: Fewer than one cell, more present than there are, or a range that is none.

    Example:
        >>> batch = CurveBatch(5, -4.0, 0.0, 1)
        >>> batch.logits.tolist(), batch.targets.tolist(), batch.mean
        ([-4.0, -3.0, -2.0, -1.0, 0.0], [0, 0, 0, 0, 1], -2.0)
    """

    others: int
    low: float
    high: float
    present: int

    def __post_init__(self) -> None:
        if self.others < 1 or not 0 <= self.present <= self.others:
            raise InputError(
                f"Expected at least one other cell and at most all of them present, got {self.present} present of "
                f"{self.others}."
            )
        if not (np.isfinite([self.low, self.high]).all() and self.low <= self.high):
            raise InputError(f"Expected finite logits from low to high, got {self.low} to {self.high}.")

    @property
    def logits(self) -> NDArray[np.float64]:
        """Float64 (others,), ascending."""
        return np.linspace(self.low, self.high, self.others)

    @property
    def targets(self) -> NDArray[np.int8]:
        """int8 (others,): 1 present, 0 unobserved."""
        return (np.arange(self.others) >= self.others - self.present).astype(np.int8)

    @property
    def mean(self) -> float:
        """Mean of the logits."""
        return float(self.logits.mean())

    @property
    def spread(self) -> float:
        """Standard deviation of the logits."""
        return float(self.logits.std())


@runtime_checkable
class DrawnInBatch(Protocol):
    """A loss whose `curve` takes the batch that it varies a cell in.

    Attributes:
        curve_batch: What `curve` takes without one.
    """

    curve_batch: ClassVar[CurveBatch]

    def curve(
        self, logits: NDArray[np.float64], target: int, epoch: int, batch: CurveBatch | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return loss and gradient, as `MultiLabelLoss.curve`, of one cell beside those of the batch."""

    def batch_statistics(self, batch: CurveBatch) -> dict[str, float]:
        """Return by name what the loss takes from the cells of such a batch."""
