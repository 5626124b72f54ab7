"""Measuring a checkpoint: a workspace's images or anybody's annotations against what its network says of them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from labelmend_core.errors import ImageError, InputError, LabelmendError
from labelmend_core.metrics import F1, Evaluation, Unobserved, cf1_of1_top, evaluate, how_to_read_unobserved
from labelmend_core.time_left import TimeLeft
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_core.workspace import SETTINGS, Workspace

if TYPE_CHECKING:
    import torch

    from labelmend_core.training.trained import Trained
    from labelmend_datasets.images import ImageTensors

Show = Callable[[str, int, int, float | None], None]
Split = Literal["validation", "train"]
TOP = 3


@dataclass(frozen=True)
class Images:
    """What is measured on.

    Attributes:
        name: how people call it.
        dataset: image paths, class names, and labels as they were given.
        labels: (N, K), what counts as true: as given, or corrected.
        place: what the image paths are relative to: an absolute path or an address.
        pixels: of the images at the network's size, in the order of the dataset.
    """

    name: str
    dataset: AnnotatedDataset
    labels: LabelMatrix
    place: str
    pixels: "torch.utils.data.Dataset[torch.Tensor]"
    unreadable: Callable[[], dict[int, str]]


@dataclass(frozen=True)
class Measured:
    """How good a checkpoint is; all metrics in [0, 1], higher is better.

    Attributes:
        evaluation: by class in the order of `class_names`.
        top: CF1 and OF1 where the three highest classes of each image are predicted.
        top_above: the same with only those of the three whose p is above the threshold.
        class_names: of the images' labels, length K.
        positives: int64 (K,), images that carry each class.
        known: share of cells that are not unobserved, in [0, 1].
        unobserved: how unobserved cells were read.
        n_images: measured on.
        unreadable: what is wrong with each image that was left out, by path.
    """

    evaluation: Evaluation
    top: F1
    top_above: F1
    class_names: tuple[str, ...]
    positives: NDArray[np.int64]
    known: float
    unobserved: Unobserved
    n_images: int
    unreadable: dict[str, str]


@dataclass(frozen=True)
class SeenBefore:
    """How many of the measured images had a part in making the checkpoint.

    Attributes:
        trained_on: that the network learned from, or that were held out of them to choose its best epoch.
        chosen_on: validation images that its best epoch was chosen on.
    """

    trained_on: int
    chosen_on: int


def split_of(workspace: Workspace, split: Split, image_size: int) -> Images:
    """Return one split of a workspace; the training images with their corrected labels.

    Raises:
        InputError: the workspace has no validation images.
    """
    from labelmend_app.training import image_tensors

    pixels = image_tensors(workspace, image_size)
    n = len(workspace.dataset.paths)
    if split == "train":
        labels = workspace.corrected_labels()
        return _images("training images", workspace.dataset, labels, workspace.settings.image_folder, pixels, range(n))
    validation = workspace.validation
    if validation is None:
        raise InputError(
            f"Expected validation images in {workspace.folder}, found none; measure on other annotations with "
            "--labels FILE, on the training images with --split train, or import with --validation FILE."
        )
    rows = range(n, n + len(validation.paths))
    return _images(
        "validation images", validation, validation.given_labels, workspace.settings.image_folder, pixels, rows
    )


def annotated(source: Path, place: str, image_size: int, *, format_name: str, classes: Path | None) -> Images:
    """Return the images of an annotation file; they are decoded as they are needed, and nothing is written.

    Raises:
        InputError: anything wrong with the files.
    """
    from labelmend_app.importing import read_annotations
    from labelmend_datasets.images import ImageTensors, image_source

    _, dataset = read_annotations(source, place, format_name=format_name, classes=classes)
    pixels = ImageTensors([image_source(place, path) for path in dataset.paths], image_size)
    place = place if "://" in place else str(Path(place).resolve())
    return _images(str(source), dataset, dataset.given_labels, place, pixels, range(len(dataset.paths)))


def _images(
    name: str,
    dataset: AnnotatedDataset,
    labels: LabelMatrix,
    place: str,
    pixels: "ImageTensors",
    rows: range,
) -> Images:
    from torch.utils.data import Subset

    def unreadable() -> dict[int, str]:
        return {rows.index(row): why for row, why in pixels.problems().items() if row in rows}

    return Images(name, dataset, labels, place, Subset(pixels, rows), unreadable)


def measure(
    trained: "Trained",
    images: Images,
    *,
    unobserved: str = "auto",
    threshold: float = 0.5,
    batch_size: int = 64,
    show: Show | None = None,
) -> Measured:
    """Return how good a network is on images; classes are matched by name.

    Args:
        trained: from `network_from_checkpoint`.
        images: from `split_of` or `annotated`.
        unobserved: what a 0 of the labels is, see `how_to_read_unobserved`.
        threshold: a class counts as predicted where its p is above it, for CF1 and OF1.
        batch_size: images a step.
        show: called with phase, images done, images in all and the estimated seconds left.

    Raises:
        InputError: the labels have other classes than the checkpoint.
        ImageError: none of the images can be read.
    """
    names = tuple(images.dataset.class_names)
    columns = columns_of(names, trained.class_names, images.name)
    reading = how_to_read_unobserved(images.dataset.given_labels, unobserved)
    pred_probs = _pred_probs(trained, images, batch_size, show)[:, columns]
    unreadable = images.unreadable()
    rows = np.array([i for i in range(len(images.dataset.paths)) if i not in unreadable], dtype=np.int64)
    if not rows.size:
        raise ImageError(
            f"Expected images that can be read, but none of {len(unreadable)} can: {next(iter(unreadable.values()))}"
        )
    labels, scores = images.labels.dense(rows), pred_probs[rows]
    return Measured(
        evaluation=evaluate(labels, scores, threshold=threshold, unobserved=reading),
        top=cf1_of1_top(labels, scores, TOP, unobserved=reading),
        top_above=cf1_of1_top(labels, scores, TOP, threshold, unobserved=reading),
        class_names=names,
        positives=(labels == 1).sum(axis=0),
        known=float((labels != 0).mean()),
        unobserved=reading,
        n_images=len(rows),
        unreadable={str(images.dataset.paths[i]): why for i, why in unreadable.items()},
    )


def seen_before(checkpoint: Path, images: Images) -> SeenBefore | None:
    """Return how many of the images had a part in making a checkpoint; None where its workspace is not around it.

    Args:
        checkpoint: where it lies; `WORKSPACE/runs/RUN/model.safetensors` leads to the images that its run had.
        images: that are measured on.
    """
    run, *above = checkpoint.resolve().parents
    if len(above) < 2 or not (above[1] / SETTINGS).is_file():
        return None
    try:
        workspace = Workspace.open(above[1])
    except LabelmendError:
        return None
    try:
        record = next((record for record in workspace.runs.all() if record.run_id == run.name), None)
        if record is None:
            return None
        measured = {f"{images.place}/{path}" for path in images.dataset.paths}

        def of(dataset: AnnotatedDataset | None) -> int:
            paths = () if dataset is None else dataset.paths
            return sum(f"{workspace.settings.image_folder}/{path}" in measured for path in paths)

        # Where training images were held out for it, or nothing chose it, validation images had no say.
        by_validation = "validation" in str(record.metrics.get("chosen_on", ""))
        return SeenBefore(of(workspace.dataset), of(workspace.validation) if by_validation else 0)
    finally:
        workspace.close()


def columns_of(names: tuple[str, ...], known: tuple[str, ...], where: str) -> list[int]:
    """Return for each class of the labels its column in the network's output."""
    index = {name: k for k, name in enumerate(known)}
    missing = [name for name in names if name not in index]
    more = [name for name in known if name not in set(names)]
    if missing or more:
        of, here = (missing, f"{where} but not in the checkpoint") if missing else (more, "the checkpoint only")
        raise InputError(
            f"Expected the labels to have the {len(known)} classes of the checkpoint by name, but {of[0]!r} is in "
            f"{here} ({len(of)} such classes); name the classes that it was trained on with --classes."
        )
    return [index[name] for name in names]


def _pred_probs(trained: "Trained", images: Images, batch_size: int, show: Show | None) -> NDArray[np.float32]:
    """Return p of every image, float32 (N, K) in the order of the network's classes."""
    from accelerate import PartialState  # the device of every other command

    device = PartialState().device
    trained.to(device)
    total = len(images.dataset.paths)
    found = np.empty((total, len(trained.class_names)), dtype=np.float32)
    left, done = TimeLeft(), 0
    left(done, total)  # before the first batch, which takes time, too
    for pixels in in_batches(images.pixels, total, batch_size):
        found[done : done + len(pixels)] = trained(pixels.to(device)).numpy()
        done += len(pixels)
        if show is not None:
            show("looking at the images", done, total, left(done, total))
    return found


def in_batches(
    pixels: "torch.utils.data.Dataset[torch.Tensor]", total: int, batch_size: int
) -> "Iterator[torch.Tensor]":
    """Yield the images in order; threads decode the next batch while the network looks at this one."""
    import torch

    with ThreadPoolExecutor() as pool:

        def begin(start: int) -> "Iterator[torch.Tensor]":
            return pool.map(pixels.__getitem__, range(start, min(start + batch_size, total)))

        coming = begin(0)
        for start in range(0, total, batch_size):
            batch, coming = coming, begin(start + batch_size)
            yield torch.stack(list(batch))
