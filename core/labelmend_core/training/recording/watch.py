"""Taking the logits of a training batch where a network returns them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from labelmend_core.errors import InputError

if TYPE_CHECKING:
    from labelmend_core.training.recording.recording import Recording


class LogitsWatch:
    """Tells a recording of the logits that a module returns in training mode, once for each batch that is expected."""

    def __init__(self, recording: "Recording") -> None:
        self._recording = recording
        self._handle: RemovableHandle | None = None
        self._expected: tuple[Tensor, float] | None = None

    @property
    def waiting(self) -> bool:
        """Whether a batch was expected whose logits have not come."""
        return self._expected is not None

    def begin(self, module: nn.Module) -> None:
        """Watch a module from now on."""
        self.end()
        self._handle = module.register_forward_hook(self._see)

    def expect(self, indices: Tensor, gradient_scale: float = 1.0) -> None:
        """Note which images come next.

        Args:
            indices: int (B,), rows of the labels.
            gradient_scale: what the loss is multiplied by before the backward pass.
        """
        self._expected = (indices, gradient_scale)

    def end(self) -> None:
        """Watch no longer."""
        if self._handle is not None:
            self._handle.remove()
        self._handle = self._expected = None

    def _see(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if self._expected is None or not module.training:
            return
        (indices, scale), self._expected = self._expected, None
        self._recording.batch(indices, logits_of(output), gradient_scale=scale)


def logits_of(output: Any) -> Tensor:
    """Return the logits of what a network returns: a tensor, or what has `logits` as an attribute or a field.

    Raises:
        InputError: it has none.

    Example:
        >>> import torch
        >>> logits_of({"loss": 0.5, "logits": torch.zeros(1, 2)}).shape
        torch.Size([1, 2])
    """
    found = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", output)
    if not isinstance(found, Tensor):
        raise InputError(
            f"Expected the network to return its logits, as a tensor or under the name 'logits', got "
            f"{type(output).__name__}; name the submodule that does, or call recording.batch(indices, logits)."
        )
    return found
