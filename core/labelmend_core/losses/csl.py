"""The class-aware selective loss for partial labels."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.errors import InputError
from labelmend_core.losses._analytic import LINEAR, AnalyticLoss, choose
from labelmend_core.losses._base import Reduction
from labelmend_core.losses._hyperparameter import Hyperparameter, Value
from labelmend_core.losses._largest import nth_largest

IGNORE, NORMALISED, NEGATIVE, SELECTIVE = "ignore", "ignore_normalize_classes", "negative", "selective"

# A class's prior counts where at least this share of its images are verified negatives: without the unobserved
# cells, which a high prior leaves out, too little would otherwise push the class down.
_SURVEYED = 0.05

# Added to the logits of observed cells, so that they are never among the most probable.
_FAR_BELOW = -1e30

# The other classes of the image in which `curve` varies one cell.
_CURVE_LOGITS = (-6.0, 2.0)
_CURVE_CLASSES = 99


class ClassAwareSelectiveLoss(AnalyticLoss):
    """Asymmetric loss with a power of its own for unobserved cells, which leaves out the doubtful; lower is better.

    A cell costs -alpha (1 - q)^gamma ln q, q being p where the class is present and min(1 - p + clip, 1) elsewhere;
    alpha and gamma are those of present, of verified negative or of unobserved cells. Focusing weights have no
    gradient.

    Targets: 1 is present; -1 a verified negative; 0 unobserved, of which `mode` says what becomes:
    `negative`: all are negatives, with their own alpha and gamma. `ignore`: all are left out.
    `ignore_normalize_classes`: the same, and an image's cells weigh 1 + 1 / (1 + number of observed ones).
    `selective`: negatives, but the likelihood_topk · B most probable of the batch are left out (all that equal the
    last of them, too), and all of classes whose prior is above prior_threshold.

    The prior of a class is its share of present among observed cells, if `begin` was told of the training labels;
    it is 0 where less than a twentieth of the class's cells are verified negatives.

    Source: Ben-Baruch et al., "Multi-label Classification with Partial Annotations using Class-aware Selective
    Loss", CVPR 2022, arXiv 2110.10955, and the authors' code; `ignore_normalize_classes` is its simplified form of
    Durand et al. 2019, arXiv 1902.09720. Deviations: the prior, which the paper takes from a model trained with
    `ignore`; logarithms come from log-sigmoid and not from max(p, 1e-8).

    Example:
        >>> import torch
        >>> loss = ClassAwareSelectiveLoss(likelihood_topk=1, reduction="none")
        >>> loss(torch.zeros(1, 4) + torch.tensor([0.0, 0.0, 0.0, 2.0]), torch.tensor([[1, -1, 0, 0]]))
        tensor([[0.6931, 0.3466, 0.1733, 0.0000]])
    """

    name = "csl"
    hyperparameters = (
        Hyperparameter(
            "mode", SELECTIVE, 0, 0, "what becomes of unobserved cells", (IGNORE, NORMALISED, NEGATIVE, SELECTIVE)
        ),
        Hyperparameter("gamma_pos", 0.0, 0.0, 10.0, "focusing power of present cells; larger mutes easy ones more"),
        Hyperparameter("gamma_neg", 1.0, 0.0, 10.0, "focusing power of verified negatives; larger mutes easy ones"),
        Hyperparameter("gamma_unann", 2.0, 0.0, 10.0, "focusing power of unobserved cells; larger mutes easy ones"),
        Hyperparameter("alpha_pos", 1.0, 0.0, 10.0, "weight of present cells"),
        Hyperparameter("alpha_neg", 1.0, 0.0, 10.0, "weight of verified negatives"),
        Hyperparameter("alpha_unann", 1.0, 0.0, 10.0, "weight of unobserved cells"),
        Hyperparameter("clip", 0.0, 0.0, 0.5, "probability below which a cell that is not present costs nothing"),
        Hyperparameter("likelihood_topk", 5, 0, 10_000, "unobserved cells left out for each image of a batch"),
        Hyperparameter("prior_threshold", 0.05, 0.0, 1.0, "leave a class's unobserved cells out above it; 1 never"),
    )
    mode: str
    gamma_pos: float
    gamma_neg: float
    gamma_unann: float
    alpha_pos: float
    alpha_neg: float
    alpha_unann: float
    clip: float
    likelihood_topk: int
    prior_threshold: float
    class_prior: Tensor

    def __init__(self, *, reduction: Reduction = "batch", **hyperparameters: Value) -> None:
        super().__init__(reduction=reduction, **hyperparameters)
        self.register_buffer("class_prior", torch.empty(0))

    def begin(self, targets: Tensor) -> None:
        """Take the prior of every class from the training labels, (N, K); it is in the `state_dict`."""
        present, absent = (targets > 0).sum(dim=0), (targets < 0).sum(dim=0)
        surveyed = absent >= max(_SURVEYED * len(targets), 1.0)
        prior = torch.where(surveyed, present / (present + absent).clamp(min=1), 0.0)
        self.class_prior = prior.to(self.class_prior)

    def value_and_slope(self, logits: Tensor, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the loss and its derivative; see `AnalyticLoss`. Which cells are left out has no gradient."""
        return self._value_and_slope(logits, targets, self.class_prior)

    def curve(
        self, logits: NDArray[np.float64], target: int, epoch: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return loss and gradient of one cell of an image whose 99 other classes are unobserved, both (G,).

        Their logits are evenly spaced from -6 to 2. No class has a prior.
        """
        grid = torch.from_numpy(np.array(logits, dtype=np.float64))
        others = torch.linspace(*_CURVE_LOGITS, _CURVE_CLASSES, dtype=torch.float64)
        targets = torch.zeros(1, _CURVE_CLASSES + 1)
        targets[0, 0] = target
        none = torch.empty(0)
        points = [self._value_and_slope(torch.cat([point[None], others])[None], targets, none) for point in grid]
        return (
            np.array([float(value[0, 0]) for value, _ in points]),
            np.array([float(slope[0, 0]) for _, slope in points]),
        )

    def _value_and_slope(self, logits: Tensor, targets: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        target = targets.to(logits.dtype)
        present = target.clamp(min=0.0)
        away = torch.add(1.0, present, alpha=-2.0)  # the sign of the side that the cell should not be on
        x = away * logits
        cost, rest = F.softplus(x, threshold=LINEAR), torch.sigmoid(x)  # -ln q and 1 - q
        slope = rest
        if self.clip > 0.0:
            # As in `asl`: with q of at least the clip its logarithm is finite, and rest is 0 where q is 1.
            clipped = (torch.sigmoid(-x) + self.clip).clamp(max=1.0)
            rest_clipped = F.relu(rest - self.clip)
            slope_clipped = rest * torch.sigmoid(-x) / clipped * (rest_clipped > 0.0)
            cost, slope = choose(present, cost, -clipped.log()), choose(present, rest, slope_clipped)
            rest = choose(present, rest, rest_clipped)
        weight = _weight(rest, self.gamma_unann, self.alpha_unann)
        weight = choose(-target.clamp(max=0.0), _weight(rest, self.gamma_neg, self.alpha_neg), weight)
        weight = choose(present, _weight(rest, self.gamma_pos, self.alpha_pos), weight)
        if self.mode != NEGATIVE:
            weight = weight * self._kept(logits, target.abs(), prior)
        return weight * cost, away * weight * slope

    def _kept(self, logits: Tensor, observed: Tensor, prior: Tensor) -> Tensor:
        """Return what each cell counts for after `mode`; `observed` is 1 or 0."""
        if self.mode == IGNORE:
            return observed
        if self.mode == NORMALISED:
            return observed * (1.0 + 1.0 / (1.0 + observed.sum(dim=1, keepdim=True)))
        kept = self._unlikely(logits, observed)
        if prior.numel() == 0:
            return kept
        if prior.shape[0] != logits.shape[1]:
            raise InputError(f"Expected logits of the {prior.shape[0]} classes of training, got {logits.shape[1]}.")
        return kept * torch.maximum(observed, (prior <= self.prior_threshold).to(logits.dtype))

    def _unlikely(self, logits: Tensor, observed: Tensor) -> Tensor:
        """Return 0 for the most probable unobserved cells of the batch, 1 for all others."""
        n = min(self.likelihood_topk * logits.shape[0], logits.numel())
        if n == 0:
            return torch.ones_like(logits)
        candidates = torch.add(logits, observed, alpha=_FAR_BELOW)
        # Where fewer are unobserved than n, all of them are left out: the device need not count them for us.
        least = nth_largest(candidates, n).clamp(min=_FAR_BELOW / 2)
        return (candidates < least).to(logits.dtype)


def _weight(rest: Tensor, gamma: float, alpha: float) -> Tensor:
    """Return alpha · rest^gamma, a scalar where it does not depend on rest."""
    if gamma == 0.0:
        return rest.new_full((), alpha)
    power = rest.pow(gamma)
    return power if alpha == 1.0 else power.mul_(alpha)
