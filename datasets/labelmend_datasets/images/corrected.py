"""The corrected dataset for anybody's training loop."""

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from labelmend_core.ledger import Policy
from labelmend_core.workspace import Workspace
from labelmend_datasets.images.decode import decode_image
from labelmend_datasets.images.places import image_file, workspace_image
from labelmend_datasets.splits import corrected_split

Transform = Callable[[Image.Image], Any]


class CorrectedImages(torch.utils.data.Dataset[tuple[Any, ...]]):
    """Item i is an image with its labels as reviewers corrected them, verified negatives as -1.

    Every loss of `labelmend_core.losses` takes these targets. Others know no -1: give them `target.clamp(min=0)`.
    Images that a training of the workspace could not read are left out; see `rows`.

    Args:
        workspace: read once; decisions that come later are not in it.
        transform: from an upright RGB image to what the network takes, such as torchvision's; without, the image.
        policy: whose word counts where several reviewers answered.
        validation: the validation images with their labels, which nobody corrects, instead of the training images.
        indexed: whether an item ends with its row of the workspace's labels, which `labelmend_core.record` wants.

    Attributes:
        class_names: length K; the position is the class index.
        rows: of the workspace's labels, length of the dataset.
        targets: int8 (length, K), 1 present, -1 absent, 0 unobserved.

    Raises:
        InputError: there are no validation images.
    """

    def __init__(
        self,
        workspace: Workspace,
        transform: Transform | None = None,
        *,
        policy: Policy = Policy.LATEST,
        validation: bool = False,
        indexed: bool = False,
    ) -> None:
        labels, first = corrected_split(workspace, policy, validation=validation)
        unreadable = workspace.catalog.problems()
        n = labels.shape[0]
        self.rows = [row for row in range(n) if first + row not in unreadable]
        self.class_names = tuple(workspace.dataset.class_names)
        self.targets = torch.from_numpy(labels.dense())[self.rows]
        self._sources = [workspace_image(workspace, first + row) for row in self.rows]
        self._transform, self._indexed = transform, indexed

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return image and target, int8 (K,), and with `indexed` the row.

        Raises:
            ImageError: the image is missing, damaged or too large, or cannot be fetched.
        """
        image: Any = decode_image(image_file(self._sources[index]))
        if self._transform is not None:
            image = self._transform(image)
        target: Tensor = self.targets[index]
        return (image, target, self.rows[index]) if self._indexed else (image, target)
