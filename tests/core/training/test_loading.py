"""Batches come whole and in order, whoever loads them, and of several processes each gets its part."""

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from labelmend_core.errors import InputError
from labelmend_core.models import BackboneSpec
from labelmend_core.training import RunSettings, Schedule
from labelmend_core.training.batches import ImageBatches
from labelmend_core.training.loading import loaded

N = 23


class _Numbers(Dataset[torch.Tensor]):
    """Image i is full of i."""

    def __getitem__(self, index: int) -> torch.Tensor:
        if index == N:
            raise InputError("Expected no such image")
        return torch.full((3, 2, 2), index, dtype=torch.uint8)


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_come_whole_and_in_order(workers: int) -> None:
    wanted = [[3, 1], [2], [5, 5, 0], [9], [8]]
    found = [pixels[:, 0, 0, 0].tolist() for pixels in loaded(_Numbers(), wanted, workers=workers)]
    assert found == wanted


def test_what_goes_wrong_in_the_thread_comes_out() -> None:
    with pytest.raises(InputError, match="no such image"):
        list(loaded(_Numbers(), [[1], [N]]))


@pytest.mark.parametrize("of", [1, 2, 3, 4, 7])
def test_each_image_is_shown_once_by_all_processes_together(of: int) -> None:
    targets = torch.zeros(N, 2, dtype=torch.int8)
    parts = [
        ImageBatches(_Numbers(), targets, np.arange(N), batch_size=5, seed=0, rank=rank, of=of).epoch(0)
        for rank in range(of)
    ]
    shown = []
    for batches in zip(*parts, strict=True):
        indices = batches[0][2]
        everyones = torch.cat([pixels[:, 0, 0, 0] for pixels, _, _ in batches])
        assert len({len(pixels) for pixels, _, _ in batches}) == 1
        assert everyones[: len(indices)].tolist() == indices.tolist()
        shown += indices.tolist()
    assert sorted(shown) == list(range(N))


@pytest.mark.parametrize(
    ("wrong", "sentence"), [({"precision": "fp8"}, "precision"), ({"accumulate": 0}, "accumulate")]
)
def test_settings_that_are_none_are_refused(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=f"Expected {sentence}"):
        RunSettings("finetune", "bce", BackboneSpec("resnet18", "random"), Schedule(1, 1e-3), folds=1, **wrong)
