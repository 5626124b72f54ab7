"""The recorder as a callback of Lightning."""

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from labelmend_core.errors import InputError
from labelmend_core.training.recording.watch import LogitsWatch

# `lightning` and `pytorch_lightning` hold the same classes twice, and a Trainer takes callbacks of its own package.
if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
    from pytorch_lightning import Callback
else:
    from lightning.pytorch import Callback

if TYPE_CHECKING:
    from labelmend_core.training.recording.recording import Recording


class LightningRecorder(Callback):  # type: ignore[misc]
    """Tells a recording of each training batch and each epoch; see `Recording.for_lightning`."""

    def __init__(self, recording: "Recording", module: str, indices: Callable[[Any], Tensor] | None) -> None:
        self._recording, self._module = recording, module
        self._indices = indices or indices_of
        self._watch = LogitsWatch(recording)

    def on_train_start(self, trainer: Any, pl_module: nn.Module) -> None:
        """Watch the network."""
        self._watch.begin(pl_module.get_submodule(self._module))

    def on_train_batch_start(self, trainer: Any, pl_module: nn.Module, batch: Any, batch_idx: int) -> None:
        """Note which images the network will see."""
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        scale = 1.0 if scaler is None else float(scaler.get_scale())
        self._watch.expect(self._indices(batch), scale / trainer.accumulate_grad_batches)

    def on_train_batch_end(self, trainer: Any, pl_module: nn.Module, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Check that logits came.

        Raises:
            InputError: the watched module was not called.
        """
        if self._watch.waiting:
            raise InputError(
                f"Expected training_step to call {f'self.{self._module}' if self._module else 'self'}(…), which it did "
                "not; name the submodule that returns the logits: recording.for_lightning(module='…')."
            )

    def on_train_epoch_end(self, trainer: Any, pl_module: nn.Module) -> None:
        """End the epoch of the recording."""
        self._recording.end_epoch()

    def on_train_end(self, trainer: Any, pl_module: nn.Module) -> None:
        """Leave the network as it was."""
        self._watch.end()

    def on_exception(self, trainer: Any, pl_module: nn.Module, exception: BaseException) -> None:
        """Leave the network as it was."""
        self._watch.end()


def indices_of(batch: Any) -> Tensor:
    """Return the indices that a batch carries: its field `index`, or its last element.

    Raises:
        InputError: the batch carries none.
    """
    found = (
        batch.get("index") if isinstance(batch, Mapping) else batch[-1] if isinstance(batch, (list, tuple)) else None
    )
    if not isinstance(found, Tensor):
        raise InputError(
            "Expected each batch to carry the rows of the labels, as its field 'index' or its last element, got "
            f"{type(found).__name__}; return the index from the dataset, or say where it is with indices=…"
        )
    return found
