"""The variational positive-unlabelled loss of PU-MLC, and its mixup regulariser."""

import math
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from numpy.typing import NDArray
from torch import Tensor, nn

from labelmend_core.curve_batch import CurveBatch
from labelmend_core.losses._analytic import present_in, with_slope
from labelmend_core.losses._base import MultiLabelLoss
from labelmend_core.losses._hyperparameter import Hyperparameter

# Below this spread a class's logits are all but equal (a batch of one, a head that starts at zero): dividing
# by it would only magnify their offset.
_LEAST_SPREAD = 1e-3


class PUMLC(MultiLabelLoss):
    """Σ over classes of balance · ln mean over all images Φ - mean over present images ln Φ; lower is better.

    Φ = sigmoid(z / temperature) + floor. The temperature of a class is min(alpha · std of its logits in the
    batch, 1), its balance the batch mean of sigmoid(z / temperature) to the power gamma; neither has a
    gradient. A class without a present image in the batch keeps its first term only. That sum is reduction
    `"batch"`; every image has the same share of the first term, and every cell carries weight.

    Targets: 0 and -1 are both "unlabelled", as in the paper: the first term runs over the whole batch, and
    nothing distinguishes a verified negative. Use another loss where verified negatives should count.

    With `mixup` above 0, `regulariser` adds that many times `mixup_penalty` of the batch to what is trained, in
    the scale of reduction `"batch"`; it asks the network once more, of half as many inputs.

    Source: Yuan et al., "Positive Label Is All You Need for Multi-Label Classification", 2023, arXiv
    2306.16016, the variational loss with its temperature and re-balance factor and the mixup regulariser (its
    weight is 1 there), and the authors' code, which adds 1e-10 twice: floor = 2e-10 is its value. A present cell
    with z / temperature below ln floor (-22) has no gradient; floor = 0 gives it one. Deviation: the
    temperature is 1 where a class's logits are all but equal, for which the code divides by zero. Defaults:
    COCO with 10 % of the labels known; alpha = 2, gamma = 0.85 for VOC 2007.

    Example:
        >>> import torch
        >>> logits, targets = torch.tensor([[4.0], [0.0], [-4.0]]), torch.tensor([[1], [0], [0]])
        >>> round(PUMLC()(logits, targets).item(), 4)
        -0.4553
    """

    name = "pu_mlc"
    # Their standard deviation is 2.3, so that the temperature is 1 at alpha = 1.
    curve_batch: ClassVar[CurveBatch] = CurveBatch(others=63, low=-6.0, high=2.0, present=6)
    hyperparameters = (
        Hyperparameter("alpha", 1.0, 0.01, 10.0, "temperature for each unit of spread of a class's logits, up to 1"),
        Hyperparameter(
            "gamma", 0.55, 0.0, 5.0, "power of the re-balance; larger mutes the unlabelled term of rare classes"
        ),
        Hyperparameter("floor", 2e-10, 0.0, 1e-3, "added to the probability; larger mutes hopeless positives, 0 none"),
        Hyperparameter("mixup", 0.0, 0.0, 10.0, "weight of the mixup regulariser, 1 in the paper; 0 leaves it out"),
        Hyperparameter("mixup_alpha", 0.3, 0.01, 10.0, "larger mixes inputs more evenly"),
    )
    alpha: float
    gamma: float
    floor: float
    mixup: float
    mixup_alpha: float

    def cells(self, logits: Tensor, targets: Tensor, epoch: int, indices: Tensor | None) -> Tensor:
        """Return the loss shared out over the cells, (B, K); its mean over images is the loss of a class."""
        outside = logits.detach()
        images = len(logits)
        temperature = self._temperature(outside)
        scaled = outside / temperature
        p, slope = torch.sigmoid(scaled), (-scaled).sigmoid_()  # slope: d ln Φ / dz, here of floor 0
        balance = p.mean(dim=0).pow_(self.gamma)
        if self.floor > 0.0:
            slope.mul_(p).div_(p.add_(self.floor))  # p is Φ from here on, nowhere 0
            log_phi, total = p.log(), p.sum(dim=0)
            log_sum, softmax = total.log(), p.div_(total)
        else:
            log_phi = F.logsigmoid(scaled)  # finite where p is 0
            log_sum = log_phi.logsumexp(dim=0)
            softmax = (log_phi - log_sum).exp_()
        slope.div_(temperature)
        share = present_in(targets, logits.dtype)
        share.mul_(-images / share.sum(dim=0).clamp_(min=1.0))  # less 1 / present images, over 1 / B
        of_all = with_slope(logits, balance * (log_sum - math.log(images)), softmax.mul_(slope).mul_(balance))
        return with_slope(logits, log_phi.mul_(share), slope.mul_(share)) + of_all

    def curve(
        self, logits: NDArray[np.float64], target: int, epoch: int, batch: CurveBatch | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return loss and gradient of a batch of one class in which one cell varies, both (G,).

        The other cells are 63, with logits evenly spaced from -6 to 2, the six highest present, unless `batch` says
        otherwise. The loss is the sum over all cells of the batch; since temperature and balance have no gradient,
        its slope is not quite the gradient.
        """
        batch = batch or self.curve_batch
        others, present = torch.from_numpy(batch.logits), torch.from_numpy(batch.targets)
        grid = torch.from_numpy(np.array(logits, dtype=np.float64)).requires_grad_()
        # Classes do not touch one another, so that each point of the grid can be a class.
        columns = torch.cat([grid[None], others[:, None].expand(-1, len(grid))])
        targets = torch.cat([torch.full((1,), target), present])[:, None].expand_as(columns)
        cells = self.cells(columns, targets, epoch, None)
        (gradient,) = torch.autograd.grad(cells.sum(), grid)
        return cells.detach().sum(dim=0).numpy(), gradient.numpy()

    def batch_statistics(self, batch: CurveBatch) -> dict[str, float]:
        """Return temperature and balance of a class with these cells."""
        others = torch.from_numpy(batch.logits)[:, None]
        temperature = self._temperature(others)
        balance = torch.sigmoid(others / temperature).mean().pow(self.gamma)
        return {"temperature": temperature.item(), "balance": balance.item()}

    def regulariser(
        self, network: nn.Module, inputs: Tensor, logits: Tensor, targets: Tensor, generator: torch.Generator
    ) -> Tensor | None:
        """Return `mixup` times `mixup_penalty` for a random pairing and share; None for a batch of one."""
        half = len(inputs) // 2
        if self.mixup == 0.0 or half == 0:
            return None
        # No distribution of PyTorch takes a generator; numpy's does, seeded by a number from it.
        seed = int(torch.randint(2**62, (), generator=generator))
        share = float(np.random.default_rng(seed).beta(self.mixup_alpha, self.mixup_alpha))
        pairing = torch.randperm(half, generator=generator)
        return self.mixup * mixup_penalty(network, inputs, logits, targets, pairing, share)

    def _temperature(self, logits: Tensor) -> Tensor:
        # Not `std`, which takes ten times as long down a column.
        spread = (logits - logits.mean(dim=0)).square_().mean(dim=0).sqrt_()
        return torch.where(spread < _LEAST_SPREAD, 1.0, (self.alpha * spread).clamp(max=1.0))


def mixup_penalty(
    network: nn.Module, inputs: Tensor, logits: Tensor, targets: Tensor, pairing: Tensor, share: float
) -> Tensor:
    """Return Σ over classes of the mean of (ln ỹ - ln sigmoid(z̃))² over mixed inputs, a scalar; lower is better.

    The first half of the batch, in the order of `pairing`, is mixed with the second (an odd input in the middle is
    left out), and so are the guesses, 1 for present cells and sigmoid(z) for all others: ỹ. z̃ is what the network
    makes of the mixed inputs. The gradient runs through the guesses, too.

    Args:
        network: from inputs to logits.
        inputs: (B, …), at least two; mixed as floats: uint8 pixels in float32, others in their own dtype.
        logits: (B, K), what the network made of them.
        targets: (B, K); 1 is present, 0 and -1 are unlabelled.
        pairing: int64 (B // 2,), a permutation.
        share: of the first half in a mixture, in [0, 1].

    Source: Yuan et al. 2023, arXiv 2306.16016, and the authors' code. Deviations: logarithms come from log-sigmoid
    and not from sigmoid + 1e-10; mixed logits stay float64 where they are, which the code casts to float32.
    """
    half = len(inputs) // 2
    pairing = pairing.to(inputs.device)
    if not inputs.is_floating_point():
        inputs = inputs.float()
    mixed = torch.lerp(inputs[-half:], inputs[:half][pairing], share)
    guesses = F.logsigmoid(_at_least_float32(logits)).masked_fill(targets > 0, 0.0)
    log_share = math.log(share) if share > 0.0 else -math.inf
    log_rest = math.log1p(-share) if share < 1.0 else -math.inf
    mixed_guesses = torch.logaddexp(guesses[:half][pairing] + log_share, guesses[-half:] + log_rest)
    answers = F.logsigmoid(_at_least_float32(network(mixed)))
    return (mixed_guesses - answers).square().mean(dim=0).sum()


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
