"""How the given labels came about: which of them are probably wrong, without anybody's answer yet.

What a model says of a cell that it has not seen, x in log-odds, tells whether its class is present. Whether it was
labelled is another matter: of the present ones a share e was, and of the absent ones a share r was by mistake:

    P(present | x) = 1 / (1 + exp(-(a + b x)))
    P(labelled | x) = r + (e - r) P(present | x)

So among the cells that look surest, the share that is labelled levels off at e, and among those that look least like
their class at r, which is how all four are found from given labels alone: by what they are, this is the four-parameter
logistic model of item response theory (Barton & Lord 1981), for labels as in Elkan & Noto 2008 (e alone, one for
all). Annotators name some of what they see, so e depends on how many other classes an image shows: where one label of
each image was given, e is one over their number. Then Bayes' rule says of each cell how likely its label is wrong.

a, e and r have deviations of each class, drawn to what is common (a rare class goes where the others go). The curve is
a logistic one by assumption. That e depends on nothing else but class and number, is another: labels that are missing
wherever an object is hard to see look like absent classes, and no model can tell from the labels.

Source: Barton & Lord 1981, ETS RR-81-20, eq. 1 (their c and d are r and e); dependence of e on what an image shows as
propensity in Bekker, Robberechts & Davis 2019 (arXiv 1809.03207). Fitted by its mode, over counts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from threadpoolctl import ThreadpoolController

from labelmend_core.types import IntArray

FloatArray = NDArray[np.float64]

LEAST_LABELLED = 50  # fewer present cells than these say nothing about a curve
_STEPS, _OTHERS = 60, 10
_DEVIATIONS = np.array([1.0, 0.5, 0.7])[:, None]  # of a, e and r of a class, in log-odds
# How far a, log b, e and r may be from 0, 0, 0 and `_NOISE`. Without the first two, classes that a model tells apart
# without a mistake have no steepest curve, and rounding decides where the search ends.
_COMMON = np.array([5.0, 1.0, 1.5, 1.5])
_NOISE = -4.0
_OF_OTHERS, _BEND = 2.0, 0.4  # of e by the number of others: in all, and how far it is from a straight line
_CLOSEST = 1e-9
# What is hard to see is more frequent than a logistic curve has it, so one that is fitted to all says too much of what
# stands out and too little of the rest: in log-odds less by the first number, but for cells fainter than the second
# more by the third for each unit. The last holds for labels that are wrong, too: some look like any other of their
# class. Measured on lists of which the truth is known (BENCHMARKS.md).
_LESS, _FAINT, _MORE = 0.25, -2.2, 0.3
HARD = 0.01  # of the present cells look like nothing of their class and are right all the same
_MOST_HARD = 0.95  # of all that look wrong are put down to them at most


@dataclass(frozen=True, eq=False)
class Labelling:
    """How labels came about, by class and by how many other classes an image shows.

    Attributes:
        level: float64 (K,), a of each class.
        slope: b, above 0.
        frequency: float64 (K, M), e: how often a present class is labelled, by class and step of others.
        noise: float64 (K,), r: how often an absent one is.
        others: float64 (M - 1,), number of other classes at which a step begins.
    """

    level: FloatArray
    slope: float
    frequency: FloatArray
    noise: FloatArray
    others: FloatArray

    def wrong(
        self, classes: IntArray, x: NDArray[np.floating], others: NDArray[np.floating], *, labelled: bool
    ) -> FloatArray:
        """Return the probability that the label of each cell is wrong, (M,).

        Args:
            classes: (M,).
            x: (M,) log-odds that the class is present.
            others: (M,) how many other classes the image is expected to show.
            labelled: whether the cells are given as present (then: that it is absent), or not (that it is present).
        """
        p = expit(self.level[classes] + self.slope * np.asarray(x, dtype=np.float64))
        e = self.frequency[classes, np.searchsorted(self.others, others, side="right")]
        r = self.noise[classes]
        share = r + (e - r) * p
        wrong: FloatArray = r * (1 - p) / share if labelled else (1 - e) * p / (1 - share)
        return wrong


def share_wrong(n_labelled: float, look_wrong: float) -> float:
    """Return which share of the labels that look wrong are: of the labelled cells, a hundredth does for another reason.

    In a set without any spurious label the hardest images look so, and nothing but a person tells the two apart.

    Args:
        n_labelled: cells given as present.
        look_wrong: sum of their probabilities of being wrong, as `Labelling.wrong` returns them.
    """
    return max(1 - HARD * n_labelled / look_wrong, 1 - _MOST_HARD) if look_wrong else 1.0


def eased(probability: FloatArray) -> FloatArray:
    """Return how likely labels are missing, rising with how likely a logistic curve makes them, both in [0, 1].

    Example:
        >>> eased(np.array([0.001, 0.1, 0.5, 0.9])).round(3).tolist()
        [0.003, 0.08, 0.438, 0.875]
    """
    x = logit(np.clip(probability, _CLOSEST, 1 - _CLOSEST))
    found: FloatArray = expit(x - _LESS + _more(x))
    return found


def eased_tail(probability: FloatArray) -> FloatArray:
    """Return how likely labels are spurious, rising with how likely a logistic curve makes them, both in [0, 1].

    What stands out is left as it is: `share_wrong` has taken its part from that.

    Example:
        >>> eased_tail(np.array([0.001, 0.1, 0.5, 0.9])).round(3).tolist()
        [0.004, 0.1, 0.5, 0.9]
    """
    x = logit(np.clip(probability, _CLOSEST, 1 - _CLOSEST))
    found: FloatArray = expit(x + _more(x))
    return found


def _more(x: FloatArray) -> FloatArray:
    more: FloatArray = _MORE * np.maximum(_FAINT - x, 0)
    return more


def fit_labelling(
    x: NDArray[np.floating], others: NDArray[np.floating], labelled: NDArray[np.bool_], unlabelled: NDArray[np.bool_]
) -> Labelling | None:
    """Return how labels came about, None where there are too few to tell.

    Args:
        x: (N, K) log-odds that each class is present, from models that have not seen the cell's own label.
        others: (N, K) how many other classes each image is expected to show, from the same models.
        labelled: (N, K), cells given as present.
        unlabelled: (N, K), cells about which nothing is given; cells of neither are left out.
    """
    if labelled.sum() < LEAST_LABELLED or not unlabelled.any():
        return None
    grid = np.linspace(0, 1, _STEPS // 2 + 1)[1:-1]
    steps = np.unique(np.concatenate([np.quantile(x[labelled], grid), np.quantile(x[unlabelled], grid)]))
    beside = np.unique(np.quantile(others[labelled], np.linspace(0, 1, _OTHERS + 1)[1:-1]))
    shape = (x.shape[1], len(steps) + 1, len(beside) + 1)
    step = np.searchsorted(steps, x, side="right")
    group = (np.arange(shape[0]) * shape[1] + step) * shape[2] + np.searchsorted(beside, others, side="right")
    counts = [
        np.bincount(group[cells], minlength=int(np.prod(shape))).reshape(shape) for cells in (labelled, unlabelled)
    ]
    either = labelled | unlabelled
    n = np.bincount(step[either], minlength=shape[1])
    centres = np.bincount(step[either], x[either], shape[1]) / np.maximum(n, 1)
    return fit_counts(counts[0], counts[1], centres, beside)


def fit_counts(labelled: IntArray, unlabelled: IntArray, x: FloatArray, others: FloatArray) -> Labelling:
    """Return how labels came about, by counts.

    Args:
        labelled: int64 (K, S, M), cells given as present, by class, step of x and step of others.
        unlabelled: int64 (K, S, M), those about which nothing is given.
        x: float64 (S,), mean log-odds of each step.
        others: float64 (M - 1,), as `Labelling.others`.

    Example:
        >>> x = np.linspace(-6, 6, 25)
        >>> share = 0.01 + (0.6 - 0.01) / (1 + np.exp(-2 * x))
        >>> labelled = np.round(4000 * share).astype(np.int64)[None, :, None]
        >>> found = fit_counts(labelled, 4000 - labelled, x, np.zeros(0))
        >>> round(float(found.frequency[0, 0]), 2), round(float(found.noise[0]), 2), round(found.slope, 1)
        (0.6, 0.01, 2.0)
    """
    posterior = _Posterior(labelled, unlabelled, x)
    # Its vectors are short: where other work keeps the cores busy, waiting for threads took ten times the search.
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        found = minimize(posterior, posterior.start(), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    (a, log_slope, e, r), of_others, of_class = posterior.split(found.x)
    frequency = expit(e + of_class[1][:, None] + of_others)
    return Labelling(a + of_class[0], float(np.exp(log_slope)), frequency, expit(r + of_class[2]), others)


class _Posterior:
    """Minus the logarithm of the posterior and its gradient, of z: four common ones, e of M, three of K classes."""

    def __init__(self, labelled: IntArray, unlabelled: IntArray, x: FloatArray) -> None:
        self.n_classes, _, self.n_others = labelled.shape
        self.classes, step, self.others = np.nonzero(labelled + unlabelled)
        self.x = x[step]
        self.yes = labelled[self.classes, step, self.others].astype(np.float64)
        self.no = unlabelled[self.classes, step, self.others].astype(np.float64)

    def start(self) -> FloatArray:
        z = np.zeros(4 + self.n_others + 3 * self.n_classes)
        z[3] = _NOISE
        return z

    def split(self, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return (4,) common ones, (M,) of e by others, (3, K) of the classes."""
        return z[:4], z[4 : 4 + self.n_others], z[4 + self.n_others :].reshape(3, self.n_classes)

    def __call__(self, z: FloatArray) -> tuple[float, FloatArray]:
        (a, log_slope, e, r), of_others, of_class = self.split(z)
        u = of_class[:, self.classes]
        slope = np.exp(log_slope)
        p = expit(a + u[0] + slope * self.x)
        frequency, noise = expit(e + u[1] + of_others[self.others]), expit(r + u[2])
        share = np.clip(noise + (frequency - noise) * p, _CLOSEST, 1 - _CLOSEST)
        value = -(self.yes @ np.log(share) + self.no @ np.log1p(-share))
        by_share = self.no / (1 - share) - self.yes / share
        by = np.stack(
            [
                by_share * (frequency - noise) * p * (1 - p),
                by_share * frequency * (1 - frequency) * p,
                by_share * noise * (1 - noise) * (1 - p),
            ]
        )
        common = np.array([by[0].sum(), slope * (by[0] @ self.x), by[1].sum(), by[2].sum()])
        others = np.bincount(self.others, by[1], self.n_others)
        classes = np.stack([np.bincount(self.classes, one, self.n_classes) for one in by])
        prior, by_prior = self._prior(z)
        return float(value + prior), np.concatenate([common, others, classes.ravel()]) + by_prior

    def _prior(self, z: FloatArray) -> tuple[float, FloatArray]:
        common, of_others, of_class = self.split(z)
        away = (common - [0, 0, 0, _NOISE]) / _COMMON
        bend = np.diff(of_others, 2)
        squares = float(away @ away) + float(of_others @ of_others) / _OF_OTHERS**2 + float(bend @ bend) / _BEND**2
        squares += float(((of_class / _DEVIATIONS) ** 2).sum())
        by_others = of_others / _OF_OTHERS**2
        if len(bend):
            by_others = by_others + np.convolve(bend, [1, -2, 1]) / _BEND**2
        return 0.5 * squares, np.concatenate([away / _COMMON, by_others, (of_class / _DEVIATIONS**2).ravel()])
