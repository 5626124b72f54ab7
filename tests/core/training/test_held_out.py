"""Images held out: none is trained on, the best epoch is chosen on them, and they still get suggestions."""

import numpy as np
import pytest

from labelmend_core.training.held_out import hold_out, with_held_out
from labelmend_core.types import Dynamics


def test_every_image_is_on_one_side() -> None:
    rows = np.arange(0, 500, 2)
    kept, held = hold_out(rows, 0.2, seed=3)
    assert len(held) == 50
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, held])), rows)
    np.testing.assert_array_equal(held, hold_out(rows, 0.2, seed=3)[1])
    assert held.tolist() != hold_out(rows, 0.2, seed=4)[1].tolist()


@pytest.mark.parametrize(("n", "share"), [(1000, 0.0), (100, 0.1), (0, 0.5)])
def test_none_is_held_out_where_too_few_would_be(n: int, share: float) -> None:
    kept, held = hold_out(np.arange(n), share, seed=0)
    assert len(held) == 0
    assert len(kept) == n


def test_images_held_out_have_the_p_of_the_final_network() -> None:
    mean = np.array([[0.2, 0.3], [np.nan, np.nan]], dtype=np.float32)
    flips = np.array([[1, 0], [0, 0]], dtype=np.int16)
    before = Dynamics(mean=mean, variance=mean.copy(), last=mean.copy(), flip_epoch=flips - 1, flips=flips)
    after = with_held_out(before, np.array([1]), np.array([[0.9, 0.1]], dtype=np.float32))
    np.testing.assert_allclose(after.mean, [[0.2, 0.3], [0.9, 0.1]])
    np.testing.assert_allclose(after.last, [[0.2, 0.3], [0.9, 0.1]])
    np.testing.assert_allclose(after.variance[1], 0)
    assert np.isnan(before.mean[1]).all()
