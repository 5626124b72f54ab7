"""Losses that keep something for every training image."""

import torch
from torch import Tensor

from labelmend_core.errors import InputError
from labelmend_core.losses._base import MultiLabelLoss


class RememberingLoss(MultiLabelLoss):
    """A loss with a state of shape (N, K), made by `begin`, read and written by the batch's `indices`.

    The state is in the `state_dict`; load one after `begin`. It changes in training mode only, so that a second look
    at a batch (`eval()`) leaves it as it is. In cross-validation each fold has its own loss, of which `begin` gets all
    labels; rows of the images held out are never read.
    """

    needs_indices = True

    def rows(self, state: Tensor | None, logits: Tensor, indices: Tensor | None) -> Tensor:
        """Return the state of the batch's images, (B, K).

        Raises:
            InputError: `begin` was not called, or an index or the number of classes is not that of its labels.
        """
        if state is None or indices is None:
            raise InputError(f"Expected loss '{self.name}' to be told of the training labels by begin(targets) first.")
        n, k = state.shape
        if torch.compiler.is_compiling():  # which cannot ask for the least and the greatest index
            return state[indices]
        if k != logits.shape[1] or not 0 <= int(indices.min()) <= int(indices.max()) < n:
            raise InputError(
                f"Expected indices from 0 to {n - 1} and {k} classes, as begin was told, got indices from "
                f"{int(indices.min())} to {int(indices.max())} and {logits.shape[1]} classes."
            )
        return state[indices]
