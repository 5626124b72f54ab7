"""The recorder as a callback of Hugging Face's Trainer."""

from typing import TYPE_CHECKING, Any

from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import TrainerCallback

from labelmend_core.errors import InputError
from labelmend_core.training.recording.watch import LogitsWatch

if TYPE_CHECKING:
    from labelmend_core.training.recording.recording import Recording

_INDEX = "index"


class HuggingFaceRecorder(TrainerCallback):  # type: ignore[misc]
    """Tells a recording of each training batch and each epoch; see `Recording.for_hugging_face`."""

    def __init__(self, recording: "Recording") -> None:
        self._recording = recording
        self._watch = LogitsWatch(recording)
        self._taking: RemovableHandle | None = None
        self._scale = 1.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Watch the network, and keep the indices from it: it does not know them."""
        self._leave()
        self._scale = 1 / args.gradient_accumulation_steps
        network = rest["model"]
        self._taking = network.register_forward_pre_hook(self._take, with_kwargs=True)
        self._watch.begin(network)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """End the epoch of the recording."""
        self._recording.end_epoch()

    def on_train_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Leave the network as it was."""
        self._leave()

    def _take(
        self, network: nn.Module, positional: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if network.training and _INDEX not in named:
            raise InputError(
                f"Expected each batch to carry the rows of the labels as {_INDEX!r}, got {', '.join(sorted(named))}; "
                f"return {_INDEX!r} from the dataset and set remove_unused_columns=False in TrainingArguments."
            )
        if network.training:
            self._watch.expect(named[_INDEX], self._scale)
        return positional, {name: value for name, value in named.items() if name != _INDEX}

    def _leave(self) -> None:
        if self._taking is not None:
            self._taking.remove()
        self._taking = None
        self._watch.end()
