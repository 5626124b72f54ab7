"""Datasets of FiftyOne as annotations: their labels, and predictions in a field as own predictions."""

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelmend_app.fiftyone_bridge.connection import connect_to_own
from labelmend_app.importing import import_annotations
from labelmend_core.detection import find_label_issues
from labelmend_core.errors import InputError
from labelmend_core.ledger import Status
from labelmend_core.ledger.queue import COLUMNS
from labelmend_core.run_folder import OUT_OF_SAMPLE, RunFolder
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_core.workspace import Workspace
from labelmend_datasets.formats import FORMATS

LABELS = "ground_truth"
_LISTS = {"Classifications": "classifications", "Detections": "detections"}
_SUPPORTED = (*_LISTS, "Classification")
_KEPT_AS = "csv"  # a snapshot of the labels, which is what an export corrects


@dataclass(frozen=True)
class Names:
    """Where a dataset keeps what is asked for.

    Attributes:
        dataset: its name in FiftyOne.
        labels: the field of given labels.
        predictions: the field of predictions, empty for none.
    """

    dataset: str
    labels: str = LABELS
    predictions: str = ""


def import_dataset(folder: Path, names: Names) -> Workspace:
    """Make a workspace of a dataset in FiftyOne; the dataset is only read.

    A class is present where a label or a box of it is. Predictions become a run with suggestions: each class has the
    confidence of its prediction, or the highest of its boxes, and 0 without one.

    Args:
        folder: of the new workspace.
        names: which dataset and fields.

    Raises:
        WorkspaceError: there is no database of FiftyOne.
        InputError: there is no such dataset or field, it holds no classes, or an image is not there.
    """
    fiftyone = connect_to_own()
    dataset = _dataset(fiftyone, names.dataset)
    _require_field(dataset, names.labels)
    given = _labels_of(dataset, names.labels)
    predicted = _confidences_of(dataset, names.predictions) if names.predictions else []
    class_names = sorted({name for one in given for name in one} | {name for one in predicted for name in one})
    images, paths = _paths(dataset)
    annotated = _annotated(paths, class_names, given)
    with tempfile.TemporaryDirectory() as made:
        source, classes = Path(made) / f"fiftyone.{_KEPT_AS}", Path(made) / "classes.txt"
        create = FORMATS[_KEPT_AS].create
        assert create is not None
        create(source, annotated)
        classes.write_text("".join(f"{name}\n" for name in class_names), encoding="utf-8")
        workspace = import_annotations(folder, source, images, format_name=_KEPT_AS, classes=classes)
    if names.predictions:
        _add_run(workspace, names, _matrix(predicted, class_names))
    return workspace


def _dataset(fiftyone: ModuleType, name: str) -> Any:
    if not fiftyone.dataset_exists(name):
        known = ", ".join(fiftyone.list_datasets()[:10]) or "(there is none)"
        raise InputError(f"Expected one of the datasets {known} in FiftyOne, got {name!r}; is it in another database?")
    dataset = fiftyone.load_dataset(name)
    if dataset.media_type != "image" or not len(dataset):
        raise InputError(f"Expected {name!r} to hold images, got {len(dataset)} samples of {dataset.media_type}.")
    return dataset


def _require_field(dataset: Any, name: str) -> str:
    """Return the type of labels in a field."""
    types = {
        field: getattr(getattr(one, "document_type", None), "__name__", "")
        for field, one in dataset.get_field_schema().items()
    }
    known = [field for field, type_ in types.items() if type_ in _SUPPORTED]
    if name not in known:
        raise InputError(
            f"Expected one of the fields {', '.join(known) or '(none fits)'} of {dataset.name}, which hold "
            f"{', '.join(_SUPPORTED)}, got {name!r}; name it with --field."
        )
    return types[name]


def _values(dataset: Any, field: str, what: str) -> Iterable[list[Any]]:
    """Give what the labels of each image say: class names or confidences."""
    type_ = _require_field(dataset, field)
    if type_ in _LISTS:
        return (one or [] for one in dataset.values(f"{field}.{_LISTS[type_]}.{what}"))
    return ([] if one is None else [one] for one in dataset.values(f"{field}.{what}"))


def _labels_of(dataset: Any, field: str) -> list[set[str]]:
    return [{name for name in own if name is not None} for own in _values(dataset, field, "label")]


def _confidences_of(dataset: Any, field: str) -> list[dict[str, float]]:
    found: list[dict[str, float]] = []
    for names, values in zip(_values(dataset, field, "label"), _confidences(dataset, field), strict=True):
        own: dict[str, float] = {}
        for name, value in zip(names, values, strict=True):
            if value is None or not 0 <= value <= 1:
                raise InputError(
                    f"Expected every prediction in {field!r} to have a confidence in [0, 1], got {value} for {name!r}; "
                    "are these logits, or given labels?"
                )
            own[name] = max(float(value), own.get(name, 0.0))
        found.append(own)
    return found


def _confidences(dataset: Any, field: str) -> Iterable[list[Any]]:
    type_ = _require_field(dataset, field)
    if type_ in _LISTS:
        return _values(dataset, field, "confidence")
    # A missing confidence is told from a missing label by the class.
    pairs = zip(dataset.values(f"{field}.label"), dataset.values(f"{field}.confidence"), strict=True)
    return ([] if name is None else [value] for name, value in pairs)


def _paths(dataset: Any) -> tuple[Path, list[str]]:
    """Return the folder that holds all images, and each path in it."""
    files = dataset.values("filepath")
    folder = os.path.commonpath([os.path.dirname(file) for file in files])  # noqa: PTH120
    return Path(folder), [Path(file).relative_to(folder).as_posix() for file in files]


def _annotated(paths: list[str], class_names: list[str], given: list[set[str]]) -> AnnotatedDataset:
    index = {name: k for k, name in enumerate(class_names)}
    cells = [(i, index[name]) for i, own in enumerate(given) for name in own]
    images, classes = [i for i, _ in cells], [k for _, k in cells]
    labels = LabelMatrix.from_cells(images, classes, [1] * len(cells), (len(paths), len(class_names)))
    return AnnotatedDataset(paths, paths, class_names, labels)


def _matrix(predicted: list[dict[str, float]], class_names: list[str]) -> NDArray[np.float32]:
    index = {name: k for k, name in enumerate(class_names)}
    found = np.zeros((len(predicted), len(class_names)), dtype=np.float32)
    for i, own in enumerate(predicted):
        for name, value in own.items():
            found[i, index[name]] = value
    return found


def _add_run(workspace: Workspace, names: Names, pred_probs: NDArray[np.float32]) -> None:
    """Record predictions as a run, with what they say of the labels as its suggestions."""
    settings = {"fiftyone_dataset": names.dataset, "field": names.predictions}
    run_id = workspace.runs.start(mode="imported", loss="own", labels="given", n_decisions=0, settings=settings)
    run = RunFolder(workspace.run_folder(run_id))
    run.path.mkdir(parents=True, exist_ok=True)
    run.write_config(settings)
    run.write_pred_probs(pred_probs)
    given = workspace.dataset.given_labels
    cells = find_label_issues(given, pred_probs).rename(columns={"image": "image_index", "class": "class_index"})
    rows, columns = cells["image_index"].to_numpy(np.int64), cells["class_index"].to_numpy(np.int64)
    reasons = zip(pred_probs[rows, columns].tolist(), given.values(rows, columns).tolist(), strict=True)
    cells["reason"] = [
        {"p": round(p, 4), "p_source": f"own predictions, {names.predictions}", "given_label": label}
        for p, label in reasons
    ]
    workspace.queue.save(run_id, cells[list(COLUMNS)])
    workspace.runs.finish(run_id, Status.DONE, {"pred_probs": OUT_OF_SAMPLE})
