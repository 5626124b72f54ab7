"""When to stop: how many errors are left, and how many the next suggestions will mend.

What was answered is known. What was not is estimated from the audit sample alone (`audit.py`), because the queue is no
random sample: its answers only say how many errors a group of cells holds at least, and at most.

The sample corrects the error probabilities that the suggestions came with. In a group of cells (class k, step s of
suspicion) the share of errors is

    logit share = a + b * logit(mean error_probability) + u_s + v_k + w_ks

a logistic recalibration (Cox 1958) with deviations of every step (a random walk from one step to the next), of every
class, and of both together. Every cell of a group has the same inclusion probability, so its audited cells stand for
all of it in proportion, as inverse-probability weights would have it (Horvitz & Thompson 1952), and with many answers
the estimate becomes the stratified one. With few, or where errors are too rare for the sample to meet one, it falls
back on the error probabilities, and says by its width how far they may be off: the prior allows the odds of an error
to be off by a factor of 7 (90 % of the time), more where errors are rarest.

A reviewer errs with a share q of the answers. Where errors are rare, most audited cells that are called errors would
be such slips, so these are asked again (`enough_answers`). Whatever the truth is, "error" and then "fine" comes with
probability q (1 - q), which is how q is known (as in Rogan & Gladen 1978, with q estimated along).

Assumed: the sample was drawn before the answers; within step and class, which cells are not yet answered, or unsure,
does not depend on the truth (so one answer to many selected cells is none of the sample, and cells of it are still
asked by themselves); slips are independent, as likely either way, and truth is what a reviewer says who does not slip.
So slips are found that somebody would not repeat; a mistake that he would make every time is not. The posterior is
drawn by elliptical slice sampling; intervals are its 5 % and 95 % quantiles.

Source: the idea of a sample beside the queue is that of Lewis, Yang & Frieder 2021, arXiv 2108.12746; theirs knows no
model and estimates recall.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr, ndtri

from labelmend_core.detection._slice_sampler import elliptical_slices
from labelmend_core.types import IntArray

FloatArray = NDArray[np.float64]

LEAST_AUDITED = 60  # before so many audit answers the interval says next to nothing
_CLOSEST = 1e-6
_UNKNOWN = 1e-3  # an error_probability of exactly 0 says that nothing is known: a sample of zeros does not prove it
_LEVEL = 1.2  # standard deviation of the logit of all shares
_DEVIATION, _VAGUE = 0.4, 0.5  # of a step from its neighbour, of a class; and of the logarithms of these two
_BOTH = 0.3  # of one class in one step
_SLIPS, _SLIPS_DEVIATION = 0.03, 1.0
_SLOPE, _PIVOT = 0.25, -3.0
_OWN = 5  # parameters that are of no step and no class
_BLOCK = 500_000  # groups and draws at once
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_SURE_NOT, _SURE, _MOST_ANSWERS, _USUAL_SLIPS = 0.10, 0.98, 5, 0.05


@dataclass(frozen=True, eq=False)
class Answers:
    """What was answered about the candidates of one kind.

    Attributes:
        n, errors: int64 (K, steps), cells answered but not as part of the sample, and how many of them were called
            errors.
        classes, steps: int64 (A,), of the audited cells that have an answer.
        said_error, said_fine: int64 (A,), how often each was called an error, and not one.
        mended: bool (A,), whether the label is corrected now.
    """

    n: IntArray
    errors: IntArray
    classes: IntArray
    steps: IntArray
    said_error: IntArray
    said_fine: IntArray
    mended: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Remaining:
    """Errors of one kind that the corrected labels still have; the median with its 90 % interval.

    Attributes:
        total, low, high: in all classes.
        per_class: float64 (K, 3), the same of each class.
        next_n, next_mends: how many suggestions come next, and how many of them will turn out to be errors.
        slips: share of wrong answers, estimated from cells that were asked twice.
    """

    total: float
    low: float
    high: float
    per_class: FloatArray
    next_n: int
    next_mends: float
    slips: float


def enough_answers(probability: float, said_error: int, said_fine: int) -> bool:
    """Return whether an audited cell needs no further answer, for a reviewer who errs in one answer of twenty.

    A cell that nobody calls an error needs one answer. One that somebody does is asked until that is 98 % likely true,
    or 90 % likely a slip.

    Args:
        probability: error_probability when the sample was drawn, in [0, 1].
        said_error, said_fine: answers so far.

    Example:
        >>> enough_answers(0.01, 0, 1), enough_answers(0.01, 1, 0), enough_answers(0.9, 1, 0)
        (True, False, True)
    """
    if not said_error:
        return said_fine > 0
    odds = logit(np.clip(probability, _CLOSEST, 1 - _CLOSEST)) - (said_error - said_fine) * logit(_USUAL_SLIPS)
    sure = float(expit(odds))
    return said_error + said_fine >= _MOST_ANSWERS or sure < _SURE_NOT or sure > _SURE


def what_remains(
    sizes: IntArray,
    expected: FloatArray,
    answers: Answers,
    upcoming: IntArray,
    *,
    seed: int = 0,
) -> Remaining:
    """Return how many errors of one kind are left, fewer is better.

    Args:
        sizes: int64 (K, steps), cells that were candidates when the sample was drawn.
        expected: float64 (K, steps), sum of their error_probability.
        answers: what was said since.
        upcoming: int64 (K, steps), of which groups the next suggestions are.
        seed: of the draws from the posterior.

    Example:
        >>> sizes, expected = np.array([[900, 100]]), np.array([[9.0, 50.0]])
        >>> none, rng = np.zeros((1, 2), dtype=np.int64), np.random.default_rng(0)
        >>> said = (rng.random(100) < np.repeat([0.02, 0.4], 50)).astype(np.int64)
        >>> audited = Answers(none, none, none[0].repeat(50), np.repeat([0, 1], 50), said, 1 - said, said > 0)
        >>> left = what_remains(sizes, expected, audited, none)
        >>> left.low < 18 + 20 < left.high
        True
    """
    model = _Model(sizes, expected, answers)
    rng = np.random.default_rng(seed)
    draws = elliptical_slices(model.log_likelihood, model.n_parameters, rng)
    blocks = np.array_split(draws, max(1, len(draws) * sizes.size // _BLOCK))
    left = np.concatenate([model.remaining(block, rng) for block in blocks])
    slips = model.slips(draws)
    mends = np.concatenate([(upcoming * expit(model.logits(block))).sum(axis=(1, 2)) for block in blocks])
    total, low, high = np.quantile(left.sum(axis=1), [0.5, 0.05, 0.95]).tolist()
    per_class = np.quantile(left, [0.5, 0.05, 0.95], axis=0).T
    next_mends = float((mends * (1 - slips)).mean())
    return Remaining(total, low, high, per_class, int(upcoming.sum()), next_mends, float(slips.mean()))


class _Model:
    """The posterior of the shares of errors; parameters z are standard normal beforehand, D draws are (D, n)."""

    def __init__(self, sizes: IntArray, expected: FloatArray, answers: Answers) -> None:
        n_classes, self.n_steps = sizes.shape
        self.n_parameters = _OWN + self.n_steps + n_classes
        mean = np.where(expected > 0, expected / np.maximum(sizes, 1), _UNKNOWN)
        self.mean_logit = logit(np.clip(mean, _CLOSEST, 1 - _CLOSEST))
        self.from_pivot = np.where(sizes > 0, self.mean_logit - _PIVOT, 0.0)
        audited = np.zeros_like(sizes)
        np.add.at(audited, (answers.classes, answers.steps), 1)
        self.rest = sizes - audited  # these and what was said of some of them
        self.answers = answers
        self.bounded = np.nonzero(answers.n)
        rows = np.stack([answers.classes, answers.steps, answers.said_error, answers.said_fine])
        (self.classes, self.steps, *said), self.counts = np.unique(rows, axis=1, return_counts=True)
        (self.error, self.fine), self.said = np.unique(np.stack(said), axis=1, return_inverse=True)

    def slips(self, z: FloatArray) -> FloatArray:
        """Return the share of wrong answers, (D,), below one half."""
        result: FloatArray = 0.5 * expit(logit(2 * _SLIPS) + _SLIPS_DEVIATION * z[:, 3])
        return result

    def _parts(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return level and deviation of the steps together, (D, steps), and the deviation of the classes, (D, K)."""
        of_step = np.cumsum(_DEVIATION * np.exp(_VAGUE * z[:, 1:2]) * z[:, _OWN : _OWN + self.n_steps], axis=1)
        middle = of_step[:, self.n_steps // 2, None]
        of_class = _DEVIATION * np.exp(_VAGUE * z[:, 2:3]) * z[:, _OWN + self.n_steps :]
        return _LEVEL * z[:, :1] + of_step - middle, of_class

    def logits(self, z: FloatArray) -> FloatArray:
        """Return the logit of the share of errors in each group, without its own deviation, (D, K, steps)."""
        of_step, of_class = self._parts(z)
        line = _PIVOT + np.exp(_SLOPE * z[:, 4, None, None]) * self.from_pivot
        return line + of_step[:, None, :] + of_class[:, :, None]

    def log_likelihood(self, z: FloatArray) -> FloatArray:
        """Return that of the audited cells' answers, (D,)."""
        of_step, of_class = self._parts(z)
        line = _PIVOT + np.exp(_SLOPE * z[:, 4, None]) * self.from_pivot[self.classes, self.steps]
        share = expit(line + of_step[:, self.steps] + of_class[:, self.classes])
        q = self.slips(z)[:, None]
        of_error = ((1 - q) ** self.error * q**self.fine)[:, self.said]
        of_fine = (q**self.error * (1 - q) ** self.fine)[:, self.said]
        result: FloatArray = np.log(share * of_error + (1 - share) * of_fine) @ self.counts
        return result

    def remaining(self, z: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Draw how many errors each class has left, (D, K)."""
        logits, q = self.logits(z), self.slips(z)
        own = logits + _BOTH * rng.standard_normal(logits.shape)
        left = rng.binomial(self.rest, expit(own)).astype(np.float64)
        k, s = self.bounded
        left[:, k, s] = self._bounded(logits[:, k, s], q[:, None], rng)
        result: FloatArray = left.sum(axis=2) + self._left_in_audit(expit(logits), q[:, None], rng)
        return result

    def _bounded(self, logits: FloatArray, q: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Draw the errors left in the groups that have answers: all errors less those that were found.

        The share is that of the whole group, whichever of its cells were answered; what was found bounds it.
        """
        rest, n, said = self.rest[self.bounded], self.answers.n[self.bounded], self.answers.errors[self.bounded]
        found = np.clip((said - q * n) / (1 - 2 * q), 0, n)
        share = _share_within(found, found + rest - n, rest, logits, rng)
        mean, deviation = _moments(rest, share)
        bottom, top = ndtr((found - 0.5 - mean) / deviation), ndtr((found + rest - n + 0.5 - mean) / deviation)
        errors = mean + deviation * ndtri(bottom + rng.random(share.shape) * (top - bottom))
        true = np.clip(((said + 0.5) / (n + 1) - q) / (1 - 2 * q), 0, 1)
        overlooked = rng.binomial(n - said, true * q / (true * q + (1 - true) * (1 - q)))
        result: FloatArray = np.clip(np.round(errors - found), 0, rest - n) + overlooked
        return result

    def _left_in_audit(self, share: FloatArray, q: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Draw the errors of each class among the audited cells whose label stayed as it is, (D, K)."""
        a = self.answers
        of_cell = share[:, a.classes, a.steps]
        error = of_cell * (1 - q) ** a.said_error * q**a.said_fine
        fine = (1 - of_cell) * q**a.said_error * (1 - q) ** a.said_fine
        wrong = (rng.random(of_cell.shape) < error / (error + fine)) & ~a.mended
        left = np.zeros(share.shape[:2])
        np.add.at(left.T, a.classes, wrong.T)
        return left


def _share_within(
    low: FloatArray, high: FloatArray, n: IntArray, logits: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Draw the share of each group with its own deviation, given that it has low … high errors."""
    shares = expit(logits + _BOTH * _NODES[:, None, None])
    mean, deviation = _moments(n, shares)
    bottom, top = (low - 0.5 - mean) / deviation, (high + 0.5 - mean) / deviation
    upper = bottom > 0  # the upper tail is exact from its other end
    inside = np.where(upper, ndtr(-bottom) - ndtr(-top), ndtr(top) - ndtr(bottom))
    weight = np.cumsum(_WEIGHTS[:, None, None] * np.maximum(inside, 1e-30), axis=0)
    node = (rng.random(logits.shape) * weight[-1] > weight).sum(axis=0)
    chosen: FloatArray = np.take_along_axis(shares, node[None], axis=0)[0]
    return chosen


def _moments(n: IntArray, share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of a binomial number."""
    return n * share, np.sqrt(n * share * (1 - share)) + 1e-3
