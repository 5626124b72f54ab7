"""Datasets that somebody has in FiftyOne become workspaces."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from labelmend_app.export import export
from labelmend_app.fiftyone_bridge.reading import Names, import_dataset
from labelmend_core.errors import AnnotationError, InputError
from labelmend_core.types import Kind

PREDICTED = {"cat": 0.95, "dog": 0.02}


@pytest.fixture
def theirs(fiftyone_database, tmp_path: Path) -> Any:
    """Forty images in two folders, half with a cat, half with a dog; the first has lost its label."""
    fo = fiftyone_database
    dataset = fo.Dataset(f"theirs-{tmp_path.name}", persistent=True)
    samples = []
    for i in range(40):
        path = tmp_path / "photos" / ("a", "b")[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
        name, other = ("cat", "dog")[:: 1 if i < 20 else -1]
        own = [] if i == 0 else [fo.Classification(label=name)]
        predicted = [fo.Classification(label=name, confidence=0.95), fo.Classification(label=other, confidence=0.02)]
        box = fo.Detection(label=name, bounding_box=[0, 0, 1, 1], confidence=0.5)
        samples.append(
            fo.Sample(
                filepath=str(path),
                ground_truth=fo.Classifications(classifications=own),
                single=own[0].copy() if own else None,
                boxes=fo.Detections(detections=[box, box.copy()]),
                model=fo.Classifications(classifications=predicted),
                note="text",
            )
        )
    dataset.add_samples(samples, progress=False)
    return dataset


@pytest.mark.parametrize(("field", "labelled"), [("ground_truth", 39), ("single", 39), ("boxes", 40)])
def test_a_class_is_present_where_a_label_or_a_box_is(theirs, tmp_path: Path, field: str, labelled: int) -> None:
    made = import_dataset(tmp_path / "workspace", Names(theirs.name, field))
    assert made.dataset.class_names == ("cat", "dog")
    assert made.dataset.paths[:2] == ("a/0.png", "b/1.png")
    assert made.dataset.given_labels.n_observed == labelled
    assert made.dataset.given_labels.dense([1, 39]).tolist() == [[1, 0], [0, 1]]
    assert made.queue.latest_run() is None
    written = export(made, tmp_path / "corrected")
    assert written[0].read_bytes() == made.source.read_bytes()
    made.close()


def test_predictions_in_a_field_become_a_run_with_suggestions(theirs, tmp_path: Path) -> None:
    made = import_dataset(tmp_path / "workspace", Names(theirs.name, predictions="model"))
    run_id = made.queue.latest_run()
    assert made.runs.get(run_id).mode == "imported"
    (missing,) = [one for one in made.queue.of_run(run_id) if one.kind is Kind.MISSING]
    assert (missing.image, made.dataset.class_names[missing.class_index]) == (0, "cat")
    assert missing.reason["p"] == PREDICTED["cat"]
    made.close()


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (Names("nobody's"), "Expected one of the datasets"),
        (Names("", "note"), "boxes, model.*got 'note'"),
        (Names("", predictions="ground_truth"), "confidence in .*got None for 'cat'"),
    ],
    ids=["dataset", "field", "no predictions"],
)
def test_what_does_not_fit_is_said_and_nothing_is_made(theirs, tmp_path: Path, names: Names, sentence: str) -> None:
    asked = Names(names.dataset or theirs.name, names.labels, names.predictions)
    with pytest.raises(InputError, match=sentence):
        import_dataset(tmp_path / "workspace", asked)
    assert not (tmp_path / "workspace").exists()


def test_an_image_that_is_gone_is_named(theirs, tmp_path: Path) -> None:
    (tmp_path / "photos" / "b" / "7.png").unlink()
    with pytest.raises(AnnotationError, match=r"b/7\.png"):
        import_dataset(tmp_path / "workspace", Names(theirs.name))
