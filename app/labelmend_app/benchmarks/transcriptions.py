"""Each loss as its paper writes it: plain tensor operations and autograd, the sum over all cells.

What somebody would type from the formula; `labelmend bench losses` measures ours against it. Numerically they
are as fragile as they look. Targets are 1 and 0; `aam` takes cosines, `asl_single_label` one present class an image.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Transcription = Callable[[Tensor, Tensor], Tensor]


def _focal(p: Tensor, gamma: float) -> Tensor:
    return -((1 - p) ** gamma) * torch.log(p)


def bce(z: Tensor, y: Tensor) -> Tensor:
    """Return binary cross-entropy."""
    p = torch.sigmoid(z)
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).sum()


def focal(z: Tensor, y: Tensor) -> Tensor:
    """Return the focal loss, gamma 2."""
    p = torch.sigmoid(z)
    return (y * _focal(p, 2) + (1 - y) * _focal(1 - p, 2)).sum()


def asl(z: Tensor, y: Tensor) -> Tensor:
    """Return the asymmetric loss, gamma 4 and 0, clip .05, focusing weights detached."""
    p = torch.sigmoid(z)
    q = (1 - p + 0.05).clamp(max=1)
    weight = ((1 - q) ** 4).detach()
    return -(y * torch.log(p) + (1 - y) * weight * torch.log(q)).sum()


def focal_margin(z: Tensor, y: Tensor) -> Tensor:
    """Return the focal margin loss, margin 1, gamma 2."""
    p, p_margin = torch.sigmoid(z), torch.sigmoid(z - 1)
    return (y * _focal(p_margin, 2) + (1 - y) * _focal(1 - p, 2)).sum()


def hill(z: Tensor, y: Tensor) -> Tensor:
    """Return the Hill loss, lambda 1.5, margin 1, gamma 2."""
    p, p_margin = torch.sigmoid(z), torch.sigmoid(z - 1)
    return (y * _focal(p_margin, 2) + (1 - y) * (1.5 - p) * p**2).sum()


def splc(z: Tensor, y: Tensor) -> Tensor:
    """Return SPLC after its change, tau .6."""
    p, p_margin = torch.sigmoid(z), torch.sigmoid(z - 1)
    unobserved = torch.where(p > 0.6, _focal(p, 2), _focal(1 - p, 2))
    return (y * _focal(p_margin, 2) + (1 - y) * unobserved).sum()


def pu_mlc(z: Tensor, y: Tensor) -> Tensor:
    """Return the variational loss of PU-MLC, alpha 1, gamma .55, for the sum over images."""
    temperature = z.std(dim=0, correction=0).clamp(max=1).detach()
    p = torch.sigmoid(z / temperature)
    phi = p + 2e-10
    balance = p.mean(dim=0).detach() ** 0.55
    n_present = y.sum(dim=0).clamp(min=1)
    present = (y * torch.log(phi)).sum(dim=0) / n_present
    return len(z) * (balance * torch.log(phi.mean(dim=0)) - present).sum()


def wan(z: Tensor, y: Tensor) -> Tensor:
    """Return weak assumed negatives."""
    p = torch.sigmoid(z)
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p) / (z.shape[1] - 1)).sum()


def an_ls(z: Tensor, y: Tensor) -> Tensor:
    """Return assumed negatives with label smoothing .1."""
    p, smooth = torch.sigmoid(z), 0.9 * y + 0.1 * (1 - y)
    return -(smooth * torch.log(p) + (1 - smooth) * torch.log(1 - p)).sum()


def em(z: Tensor, y: Tensor) -> Tensor:
    """Return entropy maximisation, alpha .1."""
    p = torch.sigmoid(z)
    entropy = -(p * torch.log(p) + (1 - p) * torch.log(1 - p))
    return (-y * torch.log(p) - (1 - y) * 0.1 * entropy).sum()


def _large(z: Tensor, y: Tensor, modified: Callable[[Tensor], Tensor]) -> Tensor:
    p = torch.sigmoid(z)
    loss = -(y * torch.log(p) + (1 - y) * torch.log(1 - p))
    unobserved = loss * (1 - y)
    least = unobserved.flatten().topk(math.ceil(z.numel() * 0.002)).values[-1]
    return torch.where(unobserved < least, loss, modified(p)).sum()


def ll_r(z: Tensor, y: Tensor) -> Tensor:
    """Return large-loss rejection in the second epoch."""
    return _large(z, y, torch.zeros_like)


def ll_ct(z: Tensor, y: Tensor) -> Tensor:
    """Return large-loss correction in the second epoch."""
    return _large(z, y, lambda p: -torch.log(p))


def aam(c: Tensor, y: Tensor) -> Tensor:
    """Return the angular margin loss, scale 30, margin .35, balance .8."""
    p_pos, p_neg = torch.sigmoid(30 * (c - 0.35)), torch.sigmoid(-30 * (c + 0.35))
    return -(0.8 / 30 * y * torch.log(p_pos) + 0.2 / 30 * (1 - y) * torch.log(p_neg)).sum()


def asl_single_label(z: Tensor, y: Tensor) -> Tensor:
    """Return the single-label asymmetric loss, gamma 4 and 0, smoothing .1."""
    log_p = torch.log_softmax(z, dim=1)
    p = log_p.exp()
    weight = (1 - p * y - (1 - p) * (1 - y)) ** (4 * (1 - y))
    return -((0.9 * y + 0.1 / z.shape[1]) * weight * log_p).sum()


def csl(z: Tensor, y: Tensor) -> Tensor:
    """Return the class-aware selective loss, gamma 0 and 2 (unobserved), the 5 most probable an image left out."""
    p = torch.sigmoid(z)
    unobserved = torch.where(y == 0, p, 0)
    least = unobserved.flatten().topk(min(5 * len(z), z.numel())).values[-1]
    kept = (unobserved < least).float()
    return -(y * torch.log(p) + (1 - y) * kept * (p**2).detach() * torch.log(1 - p)).sum()


def epr(z: Tensor, y: Tensor) -> Tensor:
    """Return expected positive regularisation, 1.5 present classes an image."""
    p = torch.sigmoid(z)
    expected = (p.sum(dim=1).mean() - 1.5) ** 2 / z.shape[1] ** 2
    return -(y * torch.log(p)).sum() + z.numel() * expected


def ll_cp(z: Tensor, y: Tensor) -> Tensor:
    """Return permanent large-loss correction in the second epoch, of images that it sees for the first time."""
    return _large(z, y, lambda p: -torch.log(p))


def em_apl(z: Tensor, y: Tensor) -> Tensor:
    """Return entropy maximisation before there are pseudo-labels."""
    return em(z, y)


def role(z: Tensor, y: Tensor) -> Tensor:
    """Return ROLE with the estimates that training begins with, 1.5 present classes an image."""
    rng = torch.Generator().manual_seed(0)
    logits = 0.4055 * (2 * torch.rand(z.shape, generator=rng) - 1).to(z.device, z.dtype)
    estimate = torch.where(y > 0, 5.2933, logits).requires_grad_()
    p, q = torch.sigmoid(z), torch.sigmoid(estimate)
    total = torch.zeros((), device=z.device, dtype=z.dtype)
    for one, other in ((p, q.detach()), (q, p.detach())):
        crossed = -(other * torch.log(one) + (1 - other) * torch.log(1 - one))
        expected = (one.sum(dim=1).mean() - 1.5) ** 2 / z.shape[1] ** 2
        total = total + 0.5 * ((crossed - y * torch.log(one)).sum() + z.numel() * expected)
    return total


_ALL = (
    *(aam, an_ls, asl, asl_single_label, bce, csl, em, em_apl, epr),
    *(focal, focal_margin, hill, ll_cp, ll_ct, ll_r, pu_mlc, role, splc, wan),
)
TRANSCRIPTIONS: dict[str, Transcription] = {transcription.__name__: transcription for transcription in _ALL}
