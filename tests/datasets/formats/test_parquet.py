"""Parquet: what stays of types, metadata and row groups, and what a column can say."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from labelmend_datasets.formats import FORMATS

LONG, WIDE, HUGGING_FACE = FORMATS["parquet"], FORMATS["parquet-wide"], FORMATS["hf-parquet"]


def test_a_new_label_gets_a_row_after_its_image_and_all_else_stays(make_sample):
    sample = make_sample("parquet")

    (written,) = sample.write(sample.destination(), sample.correct())

    before, after = pq.read_table(sample.source), pq.read_table(written)
    assert after.schema.equals(before.schema, check_metadata=True)
    assert after.schema.metadata == {b"by": b"me"}
    assert pq.ParquetFile(written).metadata.row_group(0).column(0).compression == "GZIP"
    assert pq.ParquetFile(written).num_row_groups == 2
    assert [tuple(row.values()) for row in after.to_pylist()] == [
        ("x", "b.jpg", "cat", -1),
        (None, "sub/a.jpg", "dog", 1),
        ("", "b.jpg", "person", 1),
        (None, "ü c.jpg", "dog", 1),
        (None, "ü c.jpg", "cat", -1),
        ("y", "ü c.jpg", "person", 1),
    ]


def test_without_a_value_column_a_row_goes_and_the_image_stays_listed(tmp_path):
    pd.DataFrame({"image": ["a", "b", "b"], "label": ["x", "x", "y"], "n": [1, 2, 3]}).to_parquet(
        tmp_path / "a.parquet"
    )
    dataset = LONG.read(tmp_path / "a.parquet")

    corrected = dataset.given_labels.replace([0, 1], [0, 0], [-1, -1])
    (written,) = LONG.write(tmp_path / "a.parquet", tmp_path / "b.parquet", dataset, corrected)

    frame = pd.read_parquet(written)
    assert frame.to_numpy().tolist() == [["a", "", 1], ["b", "y", 3]]
    assert not LONG.holds_absent(written)


def test_columns_of_true_and_false_cannot_say_absent(tmp_path):
    pd.DataFrame({"image": ["a", "b"], "x": [True, False]}).to_parquet(tmp_path / "a.parquet")
    dataset = WIDE.read(tmp_path / "a.parquet")

    (written,) = WIDE.write(
        tmp_path / "a.parquet", tmp_path / "b.parquet", dataset, dataset.given_labels.replace([0, 1], [0, 0], [-1, -1])
    )

    assert not WIDE.holds_absent(written)
    assert pd.read_parquet(written)["x"].tolist() == [False, False]
    assert dataset.given_labels.dense().tolist() == [[1], [0]]


def test_a_column_that_was_empty_throughout_can_take_a_label(tmp_path):
    pq.write_table(pa.table({"image": ["a", "b"], "x": [1, 0], "y": pa.nulls(2)}), tmp_path / "a.parquet")
    dataset = WIDE.read(tmp_path / "a.parquet")

    (written,) = WIDE.write(
        tmp_path / "a.parquet", tmp_path / "b.parquet", dataset, dataset.given_labels.replace([1], [1], [-1])
    )

    assert pq.read_table(written).to_pydict() == {"image": ["a", "b"], "x": [1, 0], "y": [None, -1]}


def test_a_row_group_without_a_change_and_the_bytes_of_the_images_stay(make_sample):
    sample = make_sample("hf-parquet")

    (written,) = sample.write(sample.destination(), sample.correct())

    before, after = pq.read_table(sample.source), pq.read_table(written)
    assert after.column("tags").to_pylist() == [[2], [0], [0, 2]]
    assert after.column("image").to_pylist() == before.column("image").to_pylist()
    assert after.schema.equals(before.schema, check_metadata=True)


def test_hugging_face_names_a_list_of_classes_in_three_ways(tmp_path):
    label = {"names": ["cat", "dog"], "_type": "ClassLabel"}
    for version, feature in enumerate(
        ([label], {"feature": label, "_type": "Sequence"}, {"feature": label, "_type": "List"})
    ):
        metadata = {"huggingface": json.dumps({"info": {"features": {"labels": feature}}})}
        columns = {"file_name": ["a.jpg"], "labels": pa.array([[1]], type=pa.list_(pa.int64()))}
        path = tmp_path / f"{version}.parquet"
        pq.write_table(pa.table(columns, metadata=metadata), path)

        dataset = HUGGING_FACE.read(path)

        assert dataset.class_names == ["cat", "dog"]
        assert dataset.given_labels.dense().tolist() == [[0, 1]]
