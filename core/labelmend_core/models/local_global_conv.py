"""Local-global convolution: a 3×3 convolution that also sees the whole image, and starts as it was."""

import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from torch import Tensor, nn

from labelmend_core.errors import InputError

LAST_STAGE = "layer4"  # what timm calls the last stage of a ResNet
BRANCH = "global_branch"
_HEADS, _REDUCTION = 8, 4


def with_local_global(network: nn.Module, stage: str = LAST_STAGE) -> nn.Module:
    """Return `network`, changed in place: each 3×3 convolution of the stage has a global branch.

    The names of the weights that were there stay, so weights can be loaded before or after. Call it once.

    Args:
        network: a ResNet of timm or torchvision, or any other with such a stage.
        stage: name of a submodule, "layer4" for the last stage of a ResNet ("body.layer4" in a TResNet); "" takes
            the whole network, as the authors' code does. The eight heads need channels in eights, which leaves
            out a convolution on the colours.

    Raises:
        InputError: the network has no such stage, or none of its convolutions is 3×3.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
        >>> before = network(torch.ones(1, 16, 4, 4))
        >>> after = with_local_global(network, stage="").eval()(torch.ones(1, 16, 4, 4))
        >>> torch.allclose(before, after, atol=1e-3)
        True
    """
    found = [
        (parent, name, child)
        for parent in _stage(network, stage).modules()
        for name, child in parent.named_children()
        if type(child) is nn.Conv2d and child.kernel_size == (3, 3) and child.in_channels % _HEADS == 0
    ]
    if not found:
        raise InputError(
            f"Expected 3×3 convolutions of at least {_HEADS} channels in stage '{stage}' of the backbone, but "
            f"{type(network).__name__} has none there; local-global convolution needs a ResNet."
        )
    for parent, name, convolution in found:
        setattr(parent, name, LocalGlobalConv(convolution))
    return network


def _stage(network: nn.Module, stage: str) -> nn.Module:
    try:
        return network.get_submodule(stage)
    except AttributeError as error:
        raise InputError(
            f"Expected a backbone with the stage '{stage}', as a ResNet has one, got {type(network).__name__} with "
            f"{', '.join(name for name, _ in network.named_children())}; local-global convolution needs a ResNet."
        ) from error


class LocalGlobalConv(nn.Conv2d):
    """conv(x) + G(x): takes over a convolution with its weights, and adds a global branch.

    Args:
        convolution: what to take over; it must not be used any more.

    Source: Yuan et al., "Positive Label Is All You Need for Multi-Label Classification", 2023, arXiv 2306.16016,
    and the authors' code. There the softmax over places reads a bias and the mean of the map as well; both are the
    same at every place, so it cancels them, and they are left out here.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__(
            convolution.in_channels,
            convolution.out_channels,
            convolution.kernel_size,  # type: ignore[arg-type]
            stride=convolution.stride,  # type: ignore[arg-type]
            padding=convolution.padding,  # type: ignore[arg-type]
            dilation=convolution.dilation,  # type: ignore[arg-type]
            groups=convolution.groups,
            bias=convolution.bias is not None,
            padding_mode=convolution.padding_mode,
            device="meta",  # the weights follow
        )
        self.weight, self.bias = convolution.weight, convolution.bias
        branch = GlobalBranch(convolution.in_channels, convolution.out_channels, convolution.stride)  # type: ignore[arg-type]
        self.global_branch = branch.to(convolution.weight)
        self.train(convolution.training)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, n_out, H', W')."""
        return super().forward(x) + self.global_branch(x)  # type: ignore[no-any-return]


class GlobalBranch(nn.Module):
    """G(x): eight ways to sum up the whole map, each given back where its gate is open; about 0 at the start.

    Args:
        n_in, n_out: channels.
        stride: of the convolution beside it.
    """

    def __init__(self, n_in: int, n_out: int, stride: tuple[int, int]) -> None:
        super().__init__()
        n_reduced = max(n_in // _REDUCTION, 1)
        self.reduction = nn.Conv2d(n_in, n_reduced, 1)
        self.gather = nn.Conv2d(n_reduced, _HEADS, 1, bias=False)
        self.gate = nn.Conv2d(2 * n_reduced, _HEADS, 1)
        self.value = nn.Conv2d(n_in, n_in, 1)
        self.projection = nn.Conv2d(n_in, n_out, 1, stride=stride)
        self.norm = nn.BatchNorm2d(n_out)
        # So small that pretrained features stay as they are, and not 0, which would give no gradient to the rest.
        nn.init.normal_(self.norm.weight, std=1e-4)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, n_out, H', W')."""
        reduced = F.relu(self.reduction(x))
        context = torch.cat([reduced, reduced.mean(dim=(2, 3), keepdim=True).expand_as(reduced)], dim=1)
        shares = self.gather(reduced).flatten(2).softmax(dim=2)  # (B, heads, HW)
        values = self.value(x).unflatten(1, (_HEADS, -1)).flatten(3)  # (B, heads, C / heads, HW)
        summaries = values @ shares.unsqueeze(3)  # (B, heads, C / heads, 1)
        gates = self.gate(context).sigmoid().flatten(2).unsqueeze(2)  # (B, heads, 1, HW)
        spread = (summaries * gates).view_as(values).reshape(x.shape)
        branch: Tensor = self.norm(self.projection(x + spread))
        return branch
