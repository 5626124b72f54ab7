"""The plane of features: what a full decomposition gives, and kept apart by what it is of."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from labelmend_core import projection
from labelmend_core.errors import InputError
from labelmend_core.projection import fingerprint, kept_plane, principal_plane


def features(n: int = 300, seed: int = 0) -> NDArray[np.float16]:
    rng = np.random.default_rng(seed)
    spread = np.array([5, 3, 1, 0.5, 0.2, 0.1])
    return (rng.normal(0, spread, (n, 6)) @ rng.normal(size=(6, 12)) + 7).astype(np.float16)


@pytest.mark.parametrize("block", [1, 7, 4096])
def test_it_is_the_plane_of_a_full_decomposition_whatever_the_blocks(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(projection, "_BLOCK", block)
    given = features()
    expected = PCA(2, svd_solver="full").fit_transform(given.astype(np.float64))
    found = principal_plane(given)
    assert np.abs(found) == pytest.approx(np.abs(expected), abs=0.01)
    assert (found.max(axis=0) >= -found.min(axis=0)).all()


def test_images_without_features_lie_nowhere_and_move_nothing() -> None:
    given = features()
    broken = np.insert(given, [0, 100], np.float16(np.nan), axis=0)
    broken[0, 1:] = np.inf
    found = principal_plane(broken)
    assert np.isnan(found[[0, 101]]).all()
    assert np.delete(found, [0, 101], axis=0) == pytest.approx(principal_plane(given), abs=0.01)


@pytest.mark.parametrize("given", [features(2), np.zeros((9, 1), np.float16), np.full((9, 4), np.nan, np.float16)])
def test_too_little_for_a_plane_is_refused(given: NDArray[np.float16]) -> None:
    with pytest.raises(InputError, match="at least 3 images, 2 numbers each"):
        principal_plane(given)


def test_it_is_worked_out_once_for_the_same_features(tmp_path: Path) -> None:
    shares: list[float] = []
    first = kept_plane(tmp_path / "kept", features(), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    shares.clear()
    assert (kept_plane(tmp_path / "kept", features().copy(), shares.append) == first).all()
    assert shares == []
    kept_plane(tmp_path / "kept", features(seed=1), shares.append)
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_features_of_another_shape_or_value_have_another_fingerprint() -> None:
    given = features()
    others = [given[:-1], given.reshape(-1, 6), given.astype(np.float32), given + np.float16(1), given[::-1]]
    assert len({fingerprint(other) for other in [given, *others]}) == 6


def test_features_of_which_one_value_changed_have_another_fingerprint() -> None:
    given = np.random.default_rng(0).standard_normal((9000, 4)).astype(np.float16)
    mended = given.copy()
    mended[5, 1] += 1
    assert fingerprint(mended) != fingerprint(given) == fingerprint(given.copy())


def test_a_file_of_features_that_was_written_to_has_another_fingerprint(tmp_path: Path) -> None:
    given = np.random.default_rng(0).standard_normal((9000, 4)).astype(np.float16)
    path = tmp_path / "features.npy"
    np.save(path, given)
    before = fingerprint(np.load(path, mmap_mode="r"))
    assert before == fingerprint(np.load(path, mmap_mode="r")) == fingerprint(given)
    assert fingerprint(np.load(path, mmap_mode="r")[:8999]) == fingerprint(given[:8999])
    writing = np.load(path, mmap_mode="r+")
    writing[5, 1] += 1
    writing.flush()
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1))  # where the clock of files is coarse
    assert fingerprint(np.load(path, mmap_mode="r")) == fingerprint(writing) != before
