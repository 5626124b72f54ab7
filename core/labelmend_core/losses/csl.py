"""The class-aware selective loss for partial labels."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.errors import InputError
from labelmend_core.losses._analytic import AnalyticLoss, choose, present_in, unknown_in
from labelmend_core.losses._base import Reduction
from labelmend_core.losses._hyperparameter import Hyperparameter, Value

IGNORE, NORMALISED, NEGATIVE, SELECTIVE = "ignore", "ignore_normalize_classes", "negative", "selective"

# A class's prior counts where at least this share of its images are verified negatives: without the unobserved
# cells, which a high prior leaves out, too little would otherwise push the class down.
_SURVEYED = 0.05

# Taken off the logits of observed cells, to rank them below all others.
_FAR = 1e30

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
        dtype = logits.dtype
        present, unobserved = present_in(targets, dtype), unknown_in(targets, dtype)
        opposite = 1.0 - 2.0 * present  # the derivative of the logit of 1 - q
        x = opposite * logits
        cost = F.softplus(x)  # -ln q
        rest = x.sigmoid_()
        cost_slope = rest
        if self.clip > 0.0:
            # As in `asl`: with q of at least the clip its logarithm is finite, and rest is 0 where q is 1.
            q = torch.sigmoid(-opposite * logits)
            clipped = (q + self.clip).clamp(max=1.0)
            rest_clipped = F.relu(rest - self.clip)
            slope_clipped = rest * q / clipped * (rest_clipped > 0.0)
            cost, cost_slope = choose(present, cost, -clipped.log()), choose(present, rest, slope_clipped)
            rest = choose(present, rest, rest_clipped)
        weight = _power(rest, self.gamma_neg, self.alpha_neg)
        weight.lerp_(_power(rest, self.gamma_unann, self.alpha_unann), unobserved)
        weight.lerp_(_power(rest, self.gamma_pos, self.alpha_pos), present)
        if self.mode != NEGATIVE:
            weight.mul_(self._kept(logits, unobserved, prior))
        return cost.mul_(weight), weight.mul_(opposite).mul_(cost_slope)

    def _kept(self, logits: Tensor, unobserved: Tensor, prior: Tensor) -> Tensor:
        """Return what each cell counts for after `mode`; `unobserved` is 1 or 0."""
        if self.mode == SELECTIVE:
            return self._left_out(logits, unobserved, prior).neg_().add_(1.0)
        observed = 1.0 - unobserved
        if self.mode == IGNORE:
            return observed
        return observed * (1.0 + 1.0 / (1.0 + observed.sum(dim=1, keepdim=True)))

    def _left_out(self, logits: Tensor, unobserved: Tensor, prior: Tensor) -> Tensor:
        """Return 1 for unobserved cells that do not count, 0 for all others."""
        n = min(self.likelihood_topk * logits.shape[0], logits.numel())
        if n > 0:
            # Where fewer are unobserved, the least is an observed one, below all logits, and all unobserved ones are
            # left out: nothing has to be counted.
            ranked = torch.add(logits, 1.0 - unobserved, alpha=-_FAR)
            least = ranked.flatten().topk(n, sorted=False).values.min()
            left_out = ranked.ge_(least).mul_(unobserved)
        else:
            left_out = torch.zeros_like(unobserved)
        if prior.numel() == 0:
            return left_out
        if prior.shape[0] != logits.shape[1]:
            raise InputError(f"Expected logits of the {prior.shape[0]} classes of training, got {logits.shape[1]}.")
        return torch.maximum(left_out, unobserved * (prior > self.prior_threshold))


def _power(rest: Tensor, gamma: float, factor: float) -> Tensor:
    """Return factor · rest^gamma, fresh; the default powers without `pow`, which takes ten times as long."""
    if gamma == 0.0:
        return torch.full_like(rest, factor)
    if gamma == 1.0:
        return rest * factor
    power = rest.square() if gamma == 2.0 else rest.pow(gamma)
    return power if factor == 1.0 else power.mul_(factor)
