"""The files that a training run leaves in `runs/<id>/`; readable without torch."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tomli_w
from numpy.typing import NDArray

from labelmend_core.errors import InputError
from labelmend_core.files import replacing
from labelmend_core.types import Dynamics, IntArray

# Where a run's probabilities come from: a model that has not seen the image, or the epochs of one that has.
OUT_OF_SAMPLE, DYNAMICS = "out-of-sample", "dynamics"
# p of each epoch is kept, a byte a cell, of runs with at most so many cells: 20 MB an epoch.
MOST_EPOCH_CELLS = 20_000_000
# While it trains: how far it is, and that somebody asked it to stop.
PROGRESS_FILE, STOP_FILE = "progress.json", "stop"
_NOT_SHOWN = 255  # p = 1 is 254


class RunFolder:
    """Paths, writing and reading of one run's files; every file is whole or not there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.model = folder / "model.safetensors"
        self.model_info = folder / "model.json"
        self.state = folder / "state.safetensors"
        self.parts = folder / "parts"
        self.progress = folder / PROGRESS_FILE
        self.stop = folder / STOP_FILE

    def remove_leftovers(self) -> None:
        """Remove what a kill left half-written, and states of versions that kept them otherwise.

        Only for the process that trains the run: somebody else's file may just be on its way.
        """
        for path in [*self.path.rglob(".*.????????.*"), self.path / "state.pt"]:
            path.unlink(missing_ok=True)

    def write_config(self, settings: Mapping[str, Any]) -> None:
        """Write `config.toml`: what was asked for."""
        with replacing(self.path / "config.toml") as temporary:
            temporary.write_text(tomli_w.dumps(_without_none(settings)), encoding="utf-8")

    def write_table(self, name: str, rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> None:
        """Write `<name>.parquet`: metrics (a row an epoch), per_class, or gradients."""
        frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
        with replacing(self.path / f"{name}.parquet") as temporary:
            frame.to_parquet(temporary)

    def table(self, name: str) -> pd.DataFrame | None:
        """Return what `write_table` wrote, None when it is not there yet."""
        path = self.path / f"{name}.parquet"
        return pd.read_parquet(path) if path.exists() else None

    def write_pred_probs(self, pred_probs: NDArray[np.floating]) -> None:
        """Write `pred_probs.npy`, float16 (N, K); NaN rows are images that could not be read."""
        write_array(self.path / "pred_probs.npy", pred_probs.astype(np.float16))

    def pred_probs(self) -> NDArray[np.float16]:
        """Return `pred_probs.npy`, memory-mapped.

        Raises:
            InputError: the run has not come that far.
        """
        path = self.path / "pred_probs.npy"
        if not path.exists():
            raise InputError(
                f"Expected probabilities in {path}, but the run has not come that far; "
                f"let it end, or go on with 'labelmend train --resume {self.path.name}'."
            )
        pred_probs: NDArray[np.float16] = np.load(path, mmap_mode="r")
        return pred_probs

    def link_embeddings(self, features: Path) -> None:
        """Make `embeddings.npy` another name of the features, which may be gigabytes; a copy where links cannot be."""
        with replacing(self.path / "embeddings.npy") as temporary:
            temporary.unlink()
            try:
                os.link(features, temporary)
            except OSError:
                shutil.copyfile(features, temporary)

    def embeddings(self, n_images: int) -> NDArray[np.float16] | None:
        """Return float16 embeddings (N, n_features) of the training images, memory-mapped, None without any."""
        path = self.path / "embeddings.npy"
        if not path.exists():
            return None
        embeddings: NDArray[np.float16] = np.load(path, mmap_mode="r")[:n_images]
        return embeddings

    def write_planted(self, images: IntArray, classes: IntArray, *, added: bool = False) -> None:
        """Write `planted.npy`, the present cells that were hidden from training, or `added.npy`, (2, n)."""
        write_array(self.path / ("added.npy" if added else "planted.npy"), np.stack([images, classes]))

    def planted(self, *, added: bool = False) -> tuple[IntArray, IntArray]:
        """Return image and class indices of the present cells that were hidden from training; none of older runs.

        With `added` those of the cells that were trained on as present and are not.
        """
        path = self.path / ("added.npy" if added else "planted.npy")
        images, classes = np.load(path) if path.exists() else np.zeros((2, 0), dtype=np.int64)
        return images, classes

    def write_dynamics(self, dynamics: Dynamics) -> None:
        """Write `dynamics/*.npy`, probabilities as float16."""
        (self.path / "dynamics").mkdir(exist_ok=True)
        for field in fields(dynamics):
            array = getattr(dynamics, field.name)
            half = array.astype(np.float16) if array.dtype == np.float32 else array
            write_array(self.path / "dynamics" / f"{field.name}.npy", half)

    def dynamics(self) -> Dynamics | None:
        """Return what `write_dynamics` wrote, memory-mapped; None where nothing was recorded: of somebody's own p."""
        paths = {field.name: self.path / "dynamics" / f"{field.name}.npy" for field in fields(Dynamics)}
        try:
            return Dynamics(**{name: np.load(path, mmap_mode="r") for name, path in paths.items()})
        except FileNotFoundError:
            return None

    def write_epoch(self, epoch: int, p: NDArray[np.floating]) -> None:
        """Write p of every cell in one epoch, (N, K) in [0, 1] or NaN, to 1/254: `dynamics/epochs/0000.npy`, ….

        An epoch that is trained again after a resume is written again.
        """
        (self.path / "dynamics" / "epochs").mkdir(parents=True, exist_ok=True)
        steps = np.where(np.isnan(p), _NOT_SHOWN, np.rint(np.nan_to_num(p) * (_NOT_SHOWN - 1))).astype(np.uint8)
        write_array(self.path / "dynamics" / "epochs" / f"{epoch:04}.npy", steps)

    def p_by_epoch(self, image: int, class_index: int) -> NDArray[np.float32]:
        """Return p of one cell in each epoch of the training, float32 (epochs,) in [0, 1].

        Nothing, (0,), of an image that was held out, of a large run and of one of an older labelmend.
        """
        files = sorted((self.path / "dynamics" / "epochs").glob("[0-9]*.npy"))
        steps = np.array([np.load(file, mmap_mode="r")[image, class_index] for file in files], dtype=np.float32)
        shown: NDArray[np.float32] = steps[steps != _NOT_SHOWN] / (_NOT_SHOWN - 1)
        return shown


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write one `.npy` file, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array)


def _without_none(settings: Mapping[str, Any]) -> dict[str, Any]:
    """TOML has no null: what was not set is left out."""
    return {
        name: _without_none(value) if isinstance(value, Mapping) else value
        for name, value in settings.items()
        if value is not None
    }
