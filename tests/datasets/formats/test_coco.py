"""COCO: native ids, what counts as present, and that a removed class takes its annotations and nothing else."""

import io
import json
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmend_core.errors import AnnotationError, InputError
from labelmend_datasets.formats import ADDITIONS_NAME, FORMATS, _json_stream
from labelmend_datasets.formats._json_elements import arrays, cut
from labelmend_datasets.formats._json_stream import Feed, fed

COCO = FORMATS["coco"]


def test_removing_a_class_removes_all_its_annotations_in_that_image_and_keeps_every_other_field(make_sample):
    sample = make_sample("coco")
    before = json.loads(sample.source.read_text())

    (written,) = sample.write(sample.destination(), sample.read().given_labels.replace([0, 2], [0, 1], [0, -1]))

    after = json.loads(written.read_text())
    assert [annotation["id"] for annotation in after["annotations"]] == [2, 5]
    before["annotations"] = [one for one in before["annotations"] if one["id"] in (2, 5)]
    assert after == before
    assert list(after) == list(before)


def test_the_text_of_what_stays_is_kept_number_formats_and_all(make_sample):
    sample = make_sample("coco")
    text = (
        sample.source.read_text(encoding="utf-8").replace("1e-05", "0.000010").replace('"area": 12.0', '"area":12.00')
    )
    sample.source.write_text("\ufeff" + text, encoding="utf-8")

    (written,) = sample.write(sample.destination(), sample.read().given_labels.replace([2], [2], [0]))

    last = text.index(',\n  {\n   "id": 5')
    assert written.read_text(encoding="utf-8") == "\ufeff" + text[:last] + text[text.index('\n ],\n "images"') :]


def test_a_crowd_counts_as_present(make_sample):
    dataset = make_sample("coco").read()

    assert dataset.given_labels.values([0], [dataset.class_names.index("person")]) == [1]


def test_native_ids_may_be_strings(tmp_path):
    document = {
        "categories": [{"id": "n01", "name": "cat"}, {"id": "n00", "name": "dog"}],
        "images": [{"id": "x", "file_name": "a.jpg"}],
        "annotations": [{"id": 1, "image_id": "x", "category_id": "n00"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(document))

    dataset = COCO.read(tmp_path / "a.json")

    assert dataset.class_names == ["cat", "dog"]
    assert dataset.given_labels.dense().tolist() == [[0, 1]]


def test_additions_of_another_output_are_never_overwritten(make_sample):
    sample = make_sample("coco")
    train, val = (sample.source.parent / "out" / name for name in ("train.json", "val.json"))
    sample.write(train, sample.correct())
    before = (train.parent / ADDITIONS_NAME).read_bytes()

    with pytest.raises(InputError, match=r"to complete val\.json, but it completes train\.json; export into another"):
        sample.write(val, sample.correct())

    assert not val.exists()
    assert (train.parent / ADDITIONS_NAME).read_bytes() == before


def test_a_foreign_file_of_that_name_is_never_overwritten(make_sample):
    sample = make_sample("coco")
    foreign = sample.source.parent / ADDITIONS_NAME
    foreign.write_text("mine")

    with pytest.raises(InputError, match="it completes something else"):
        sample.write(foreign.with_name("out.json"), sample.correct())

    assert foreign.read_text() == "mine"


def test_additions_that_no_longer_hold_go_with_the_next_export_of_the_same_output(make_sample):
    sample = make_sample("coco")
    sample.write(sample.destination(), sample.correct())

    written = sample.write(sample.destination(), sample.read().given_labels)

    assert written == [sample.destination()]
    assert [path.name for path in sample.destination().parent.iterdir()] == [sample.destination().name]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(st.text(max_size=4), json_values | st.lists(json_values, max_size=5), max_size=4)


chunks = st.sampled_from([1, 7, 1 << 20])  # bytes that are read at once


@given(documents, st.sampled_from([None, 0, 3]), st.booleans(), chunks)
def test_arrays_finds_what_the_json_module_finds(document, indent, is_ascii, chunk):
    raw = json.dumps(document, indent=indent, ensure_ascii=is_ascii).encode()
    with patch.object(_json_stream, "_CHUNK", chunk):
        feed = Feed(io.BytesIO(raw), Path("a.json"))
        found = {
            key: [(one.value, json.loads(raw[one.start : one.end])) for one in elements]
            for key, elements in arrays(feed)
        }

    expected = {key: [(one, one) for one in value] for key, value in document.items() if isinstance(value, list)}
    assert found == expected


@given(st.lists(json_values, max_size=7), st.sampled_from([None, 2]), st.data())
def test_cut_leaves_the_array_without_the_removed_elements(values, indent, data):
    raw = json.dumps({"before": [1], "here": values, "after": {}}, indent=indent, ensure_ascii=False).encode()
    feed = Feed(io.BytesIO(raw), Path("a.json"))
    places = [(one.start, one.end) for key, elements in arrays(feed) if key == "here" for one in elements]
    removed = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))

    rest = b"".join(cut(io.BytesIO(raw), places, removed))

    kept = [value for value, is_gone in zip(values, removed, strict=True) if not is_gone]
    assert json.loads(rest) == {"before": [1], "here": kept, "after": {}}
    assert any(removed) or rest == raw


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            b'{"images": [{"id": "\xc3\xbc"},\n {"id": "\xc3\xbc", \xe4',
            "line 2: expected UTF-8 text, got byte 0xe4 at byte 15 of the line",
        ),
        (b'{"images": [],\n\n "annotations": [1, 2, x]}', "line 3: expected JSON, got an error at column 24"),
        (b'{"images": [1, 2, 3, 4,, 5]}', "line 1: expected JSON, got an error at column 24"),
    ],
    ids=["not UTF-8", "no value", "two commas"],
)
def test_what_is_wrong_is_told_by_its_place_in_the_file(tmp_path, monkeypatch, chunk, wrong, told):
    monkeypatch.setattr(_json_stream, "_CHUNK", chunk)
    (tmp_path / "a.json").write_bytes(wrong)
    with pytest.raises(AnnotationError, match=told):
        read_through(tmp_path / "a.json")


def read_through(path: Path) -> None:
    with fed(path, "an object") as feed:
        for _, elements in arrays(feed):
            list(elements)


def test_a_file_with_many_annotations_is_read_to_the_last(tmp_path):
    rng = np.random.default_rng(0)
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in range(2_000)]
    ids = rng.integers(0, [2_000, 80], (15_000, 2)).tolist()
    polygon = [[float(x) for x in range(40)]]
    annotations = [{"id": i, "image_id": a, "category_id": c, "segmentation": polygon} for i, (a, c) in enumerate(ids)]
    document = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": str(i)} for i in range(80)],
    }
    (tmp_path / "a.json").write_text(json.dumps(document))

    dataset = COCO.read(tmp_path / "a.json")

    assert dataset.given_labels.n_observed == len({tuple(one) for one in ids})
