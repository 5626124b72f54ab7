"""What answers say about the error probabilities of those cells that nobody has answered yet.

A logistic recalibration (Cox 1958) of one kind of error, with a deviation of every class (Platt 1999 has one curve):

    logit p(now) = pivot + level + of_class[k] + slope * (logit p - pivot)

Before the first answer level and deviations are 0 and the slope is 1. Each has a normal prior, so a few answers move
what they speak about by a little, and a class without answers goes where the others go. The priors, and how much an
answer counts, are such that the intervals cover (`labelmend bench detection --only calibration`). The posterior is
the normal one around its mode (Laplace); it is found in some milliseconds, so that every answer counts at once.

p(now) rises with p: answers change how classes compare, and where a threshold cuts, but never the order of the
suggestions of one class and kind.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from labelmend_core.types import IntArray

FloatArray = NDArray[np.float64]

PIVOT = -2.5  # of the slope, in log-odds: a review begins far above it, and what it does not see is mostly below
LEVEL, SLOPE, OF_CLASS = 0.5, 0.2, 0.4  # standard deviations beforehand
WORTH = 0.4  # of an answer: the curve is not quite a logistic one, so many answers at one end say less of the other
_LEAST_SLOPE = 0.2
_CLOSEST = 1e-6
_Z = 1.645  # 90 %
_DRAWS = 300
_CELL = 0.05  # log-odds within which answers of one class are counted together
_MOST_STEPS, _ENOUGH = 50, 1e-8


@dataclass(frozen=True, eq=False)
class Recalibration:
    """How likely an error is now, by class and by the error_probability that a cell was ranked with; of one kind.

    Attributes:
        of_class: float64 (K,), level and deviation of each class, in log-odds.
        slope: of the log-odds, above 0.
        shared: float64 (2, 2), covariance of level and slope.
        along: float64 (K, 2), by how much the deviation of a class falls where level and slope rise by one.
        own: float64 (K,), variance of the deviation of a class when level and slope are known.
    """

    of_class: FloatArray
    slope: float
    shared: FloatArray
    along: FloatArray
    own: FloatArray

    def __call__(self, classes: IntArray, probability: NDArray[np.floating]) -> FloatArray:
        """Return error probability, low and high of cells, (3, M), each in [0, 1]; low … high is the 90 % interval.

        Args:
            classes: (M,).
            probability: (M,) that they were ranked with, in [0, 1].
        """
        x = _logit(probability) - PIVOT
        middle = self._middle(classes, x)
        by = np.stack([1 - self.along[classes, 0], x - self.along[classes, 1]])
        deviation = np.sqrt(np.einsum("im,ij,jm->m", by, self.shared, by) + self.own[classes])
        found: FloatArray = expit(np.stack([middle, middle - _Z * deviation, middle + _Z * deviation]))
        return found

    def likely(self, classes: IntArray, probability: NDArray[np.floating]) -> FloatArray:
        """Return the error probability of cells alone, (M,): what a call returns, in a third of the time.

        Args:
            classes, probability: as of a call.
        """
        found: FloatArray = expit(self._middle(classes, _logit(probability) - PIVOT))
        return found

    def _middle(self, classes: IntArray, x: FloatArray) -> FloatArray:
        middle: FloatArray = PIVOT + self.of_class[classes] + self.slope * x
        return middle

    def total(self, counts: IntArray, probability: FloatArray, *, seed: int = 0) -> "Total":
        """Return how many errors there are among cells.

        Args:
            counts: int64 (K, S), cells by class and step of the probability that they were ranked with.
            probability: float64 (K, S) or (S,), mean of each group, in [0, 1].
            seed: of the draws from the posterior.
        """
        rng = np.random.default_rng(seed)
        classes, step = np.nonzero(counts)
        n, probability = counts[classes, step], np.broadcast_to(probability, counts.shape)[classes, step]
        x = _logit(probability) - PIVOT
        drawn = np.empty((_DRAWS, len(self.own)))
        for number, (level, tilt) in enumerate(rng.multivariate_normal(np.zeros(2), self.shared, _DRAWS)):
            own = np.sqrt(self.own) * rng.standard_normal(len(self.own)) - self.along @ (level, tilt)
            p = expit(PIVOT + (self.of_class + own)[classes] + level + (self.slope + tilt) * x)
            mean, variance = (np.bincount(classes, n * one, len(self.own)) for one in (p, p * (1 - p)))
            drawn[number] = np.maximum(mean + np.sqrt(variance) * rng.standard_normal(len(self.own)), 0)
        middle = np.bincount(classes, n * self.likely(classes, probability), len(self.own))
        of_classes = np.stack([middle, *np.quantile(drawn, [0.05, 0.95], axis=0)], axis=1)
        low, high = np.quantile(drawn.sum(axis=1), [0.05, 0.95]).tolist()
        return Total(float(middle.sum()), low, high, of_classes)

    def least(self, probability: float) -> FloatArray:
        """Return of each class the least error_probability that is now at least `probability`, (K,).

        Example:
            >>> recalibrate(2).least(0.9).round(6).tolist()
            [0.9, 0.9]
        """
        if probability <= 0:
            return np.zeros(len(self.of_class))
        if probability >= 1:
            return np.full(len(self.of_class), np.inf)
        least: FloatArray = expit(PIVOT + (logit(probability) - PIVOT - self.of_class) / self.slope)
        return np.where(least <= 1 - _CLOSEST, least, np.inf)


@dataclass(frozen=True, eq=False)
class Total:
    """How many errors there are, with the 90 % interval.

    Attributes:
        n, low, high: in all classes.
        per_class: float64 (K, 3), the same of each class.
    """

    n: float
    low: float
    high: float
    per_class: FloatArray

    def or_fewer(self, of_class: FloatArray) -> "Total":
        """Return the same where in each class so many of them, (K,), may be something else that looks like an error."""
        n, low, high = self.per_class.T
        per_class = np.stack([n, np.maximum(low - of_class, 0), high], axis=1)
        return Total(self.n, max(self.low - float(of_class.sum()), 0.0), self.high, per_class)


def recalibrate(n_classes: int, answered: pd.DataFrame | None = None) -> Recalibration:
    """Return how likely errors of one kind are after answers.

    Args:
        n_classes: K.
        answered: a row a cell with an answer: class_index, error_probability (in [0, 1], as it was ranked), error
            (whether the answer says that it is one). Without any nothing changes, and the interval is the prior's.

    Source: Cox 1958, Biometrika 45 (562-565), with normal priors; Laplace's approximation as in MacKay 1992.

    Example:
        >>> said = [True] * 36 + [False] * 4
        >>> found = recalibrate(2, pd.DataFrame({"class_index": 0, "error_probability": 0.5, "error": said}))
        >>> found(np.array([0, 1]), np.array([0.5, 0.5]))[0].round(2).tolist()
        [0.78, 0.72]
    """
    if answered is None:
        answered = pd.DataFrame({"class_index": [], "error_probability": [], "error": []})
    posterior = _Posterior(n_classes, answered)
    z, value = np.zeros(2 + n_classes), -np.inf
    for _ in range(_MOST_STEPS):
        step = posterior.newton(z)
        while (better := posterior.log_density(z + step)) < value:  # concave: a shorter step the same way leads up
            step = step / 2
        z, gain, value = z + step, better - value, better
        if gain < _ENOUGH:
            break
    return Recalibration(z[0] + z[2:], max(1 + z[1], _LEAST_SLOPE), *posterior.spread(z))


class _Posterior:
    """Of z: level, slope less 1, and the deviation of every class.

    The curvature is a diagonal for the classes beside two dense rows, so it is solved class by class.
    """

    def __init__(self, n_classes: int, answered: pd.DataFrame) -> None:
        classes = answered["class_index"].to_numpy(np.int64)
        steps = np.round((_logit(answered["error_probability"].to_numpy(np.float64)) - PIVOT) / _CELL)
        errors = answered["error"].to_numpy(np.float64)
        groups, group = np.unique(np.stack([classes, steps.astype(np.int64)]), axis=1, return_inverse=True)
        self.classes, self.x = groups[0], groups[1] * _CELL
        self.n = WORTH * np.bincount(group, minlength=groups.shape[1]).astype(np.float64)
        self.errors = WORTH * np.bincount(group, errors, groups.shape[1])
        self.n_classes = n_classes
        self.precision = np.concatenate([[LEVEL**-2, SLOPE**-2], np.full(n_classes, OF_CLASS**-2)])

    def log_density(self, z: FloatArray) -> float:
        """Return the logarithm of the posterior, but for a constant."""
        eta = self._eta(z)
        likelihood = self.errors @ eta - self.n @ np.logaddexp(0.0, eta)
        return float(likelihood - 0.5 * (self.precision @ z**2))

    def newton(self, z: FloatArray) -> FloatArray:
        """Return the step to where the posterior would be highest, were it normal."""
        residual = self.errors - self.n * expit(self._eta(z))
        of_class = np.bincount(self.classes, residual, self.n_classes)
        gradient = np.concatenate([[residual.sum(), residual @ self.x], of_class]) - self.precision * z
        shared, across, own = self._curvature(z)
        together = np.linalg.solve(
            shared - across.T @ (across / own[:, None]), gradient[:2] - across.T @ (gradient[2:] / own)
        )
        return np.concatenate([together, (gradient[2:] - across @ together) / own])

    def spread(self, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return `shared`, `along` and `own` of `Recalibration`."""
        shared, across, own = self._curvature(z)
        along = across / own[:, None]
        return np.asarray(np.linalg.inv(shared - across.T @ along), dtype=np.float64), along, 1 / own

    def _eta(self, z: FloatArray) -> FloatArray:
        eta: FloatArray = PIVOT + z[0] + z[2:][self.classes] + (1 + z[1]) * self.x
        return eta

    def _curvature(self, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return that of level and slope (2, 2), of these with each class (K, 2), and of the classes (K,)."""
        p = expit(self._eta(z))
        weight: FloatArray = self.n * p * (1 - p)
        own = np.bincount(self.classes, weight, self.n_classes)
        tilted = np.bincount(self.classes, weight * self.x, self.n_classes)
        shared = np.array([[weight.sum(), weight @ self.x], [weight @ self.x, weight @ self.x**2]])
        return shared + np.diag(self.precision[:2]), np.stack([own, tilted], axis=1), own + self.precision[2:]


def _logit(probability: NDArray[np.floating]) -> FloatArray:
    found: FloatArray = logit(np.clip(np.asarray(probability, dtype=np.float64), _CLOSEST, 1 - _CLOSEST))
    return found
