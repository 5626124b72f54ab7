"""p of each epoch: a byte a cell, read one cell at a time."""

from pathlib import Path

import numpy as np

from labelmend_core.run_folder import RunFolder


def test_p_of_every_epoch_comes_back_for_one_cell(tmp_path: Path) -> None:
    run, p = RunFolder(tmp_path), np.random.default_rng(0).random((12, 5, 3)).astype(np.float32)
    p[0, 0], p[1, 0] = 0, 1
    for epoch in range(12):
        run.write_epoch(epoch, p[epoch])
    run.write_epoch(11, p[11])  # trained again after a resume
    np.testing.assert_allclose(run.p_by_epoch(0, 2), p[:, 0, 2], atol=0.5 / 254 + 1e-6)
    assert run.p_by_epoch(0, 1)[:2].tolist() == [0, 1]


def test_an_image_that_was_held_out_and_an_older_run_have_none(tmp_path: Path) -> None:
    run, p = RunFolder(tmp_path), np.full((4, 2), 0.5, dtype=np.float32)
    assert run.p_by_epoch(0, 0).tolist() == []
    p[1] = np.nan
    run.write_epoch(0, p)
    assert run.p_by_epoch(1, 0).tolist() == []
    assert run.p_by_epoch(2, 1).tolist() == [0.5]
