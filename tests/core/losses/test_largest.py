"""The nth largest number, however the numbers are grouped."""

import pytest
import torch

from labelmend_core.losses._largest import nth_largest


@pytest.mark.parametrize(("shape", "n"), [((7,), 1), ((7,), 7), ((1000,), 1), ((40, 1003), 3), ((64, 500), 100)])
@pytest.mark.parametrize("distinct", [2, 10**6])
def test_equals_sorting(shape, n, distinct) -> None:
    rng = torch.Generator().manual_seed(0)
    for _ in range(5):
        values = torch.randint(0, distinct, shape, generator=rng).float() - distinct / 2
        assert nth_largest(values, n) == values.flatten().sort(descending=True).values[n - 1]


def test_the_largest_may_all_be_at_the_end() -> None:
    values = torch.arange(10_007.0)
    assert nth_largest(values, 5) == 10_002
    assert nth_largest(-values, 5) == -4


def test_numbers_far_below_count_like_any() -> None:
    values = torch.full((30, 400), -1e30)
    values[3, 7] = 2.0
    assert nth_largest(values, 1) == 2
    assert nth_largest(values, 2) == -1e30
