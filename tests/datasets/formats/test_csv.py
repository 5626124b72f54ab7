"""Both CSV formats: which bytes a correction changes, tri-state values, and property round trips."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmend_core.errors import InputError
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats import FORMATS, recognise
from labelmend_datasets.formats._csv_records import read_records, with_fields

LONG, WIDE = FORMATS["csv"], FORMATS["csv-wide"]
CLASSES = ["cat", 'dog, "big"', "person"]

endings = st.sampled_from(["\n", "\r\n"])
marks = st.sampled_from(["", "\ufeff"])


@st.composite
def csv_text(draw, rows):
    """Rows as CSV, each with quotes where needed or everywhere, empty lines between, one kind of line ending."""
    ending, text = draw(endings), ""
    for row in rows:
        out = io.StringIO()
        quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
        csv.writer(out, quoting=quoting, lineterminator=ending).writerow(row)
        text += out.getvalue() + draw(st.sampled_from(["", ending]))
    return draw(marks) + (text.removesuffix(ending) if draw(st.booleans()) else text)


@st.composite
def long_rows(draw):
    has_values = draw(st.booleans())
    rows = [["image", "note", "label", *(["value"] if has_values else [])]]
    cells = {}
    for image in draw(st.lists(st.integers(0, 3), min_size=1, max_size=8)):
        name, label = f"ü {image}, x.jpg", draw(st.sampled_from(["", *CLASSES]))
        value = cells.setdefault((image, label), draw(st.sampled_from(["1", "1.0", "0", "-1"])) if has_values else "1")
        rows.append([name, draw(st.text('a,"\n é', max_size=4)), label, *([value] if has_values else [])])
    return rows


@st.composite
def wide_rows(draw):
    value = st.sampled_from(["1", "1.0", "0", "0.0", "-1", "-1.0", "", " ", " 1 "])
    n = draw(st.integers(1, 5))
    return [["image", *CLASSES], *([f"ü {i}, x.jpg", *draw(st.lists(value, min_size=3, max_size=3))] for i in range(n))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("csv")
    (path / "classes.txt").write_text("\n".join(CLASSES))
    return path


def corrections(data, labels: LabelMatrix) -> LabelMatrix:
    n, k = labels.shape
    cells = st.tuples(st.integers(0, n - 1), st.integers(0, k - 1), st.sampled_from([1, 0, -1]))
    images, classes, values = np.array(data.draw(st.lists(cells, max_size=5)), dtype=int).reshape(-1, 3).T
    return labels.replace(images, classes, values)


@given(data=st.data(), rows=long_rows())
def test_long_csv_says_the_correction_and_keeps_the_rows_of_other_images(folder, data, rows):
    source, classes = folder / "long.csv", folder / "classes.txt"
    source.write_bytes(data.draw(csv_text(rows)).encode())
    dataset = LONG.read(source, classes=classes)
    corrected = corrections(data, dataset.given_labels)

    (written,) = LONG.write(source, folder / "written.csv", dataset, corrected)

    says = corrected.dense() if len(rows[0]) == 4 else np.maximum(corrected.dense(), 0)
    again = LONG.read(written, classes=classes)
    # The first row of an image may go while a later one stays: then its place in the order changes.
    order = [again.image_ids.index(name) for name in dataset.image_ids]
    assert sorted(order) == list(range(len(says)))
    assert (again.given_labels.dense(order) == says).all()
    changed = (says != dataset.given_labels.dense()).any(axis=1)
    touched = {name for name, is_changed in zip(dataset.image_ids, changed, strict=True) if is_changed}
    before, after = (
        [record.raw for record in read_records(path) if not record.fields or record.fields[0] not in touched]
        for path in (source, written)
    )
    # A row that is put after the last one gives that one a line ending.
    assert [raw.rstrip(b"\r\n") for raw in before] == [raw.rstrip(b"\r\n") for raw in after]
    assert touched or source.read_bytes() == written.read_bytes()


@given(data=st.data(), rows=wide_rows())
def test_wide_csv_says_the_correction_and_changes_no_other_cell(folder, data, rows):
    source, classes = folder / "wide.csv", folder / "classes.txt"
    source.write_bytes(data.draw(csv_text(rows)).encode())
    dataset = WIDE.read(source, classes=classes)
    corrected = corrections(data, dataset.given_labels)

    (written,) = WIDE.write(source, folder / "written.csv", dataset, corrected)

    assert WIDE.read(written, classes=classes).given_labels == corrected
    changed = corrected.dense() != dataset.given_labels.dense()
    before, after = (list(read_records(path)) for path in (source, written))
    assert [record.line for record in before] == [record.line for record in after]
    before, after = ([record for record in records if record.fields] for records in (before, after))
    for image, (old, new) in enumerate(zip(before, after, strict=True), start=-1):
        if image == -1 or not changed[image].any():
            assert old.raw == new.raw
        else:
            cells = zip(changed[image], old.fields[1:], new.fields[1:], strict=True)
            assert all(is_changed or one == other for is_changed, one, other in cells)


@given(rows=st.lists(st.lists(st.text('a",\n é', max_size=5), min_size=1, max_size=4), min_size=1), data=st.data())
def test_replacing_no_field_leaves_a_record_as_it_was_and_replacing_one_changes_it_alone(folder, rows, data):
    path = folder / "any.csv"
    path.write_bytes(data.draw(csv_text(rows)).removeprefix("\ufeff").encode())

    for record in (record for record in read_records(path) if record.fields):
        column = data.draw(st.integers(0, len(record.fields) - 1))
        assert with_fields(record, {}) == record.raw
        text = with_fields(record, {column: 'x,"y'}).decode()
        assert next(csv.reader(io.StringIO(text, newline=""))) == [
            'x,"y' if index == column else field for index, field in enumerate(record.fields)
        ]


def corrected_bytes(form, text: str, changes: list[tuple[int, int, int]], folder) -> str:
    (folder / "source.csv").write_bytes(text.encode())
    (folder / "classes.txt").write_text("cat\ndog\n")
    dataset = form.read(folder / "source.csv", classes=folder / "classes.txt")
    corrected = dataset.given_labels.replace(*np.array(changes).T)
    return form.write(folder / "source.csv", folder / "out.csv", dataset, corrected)[0].read_bytes().decode()


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("image,label\na,cat\na,dog\n", [(0, 0, -1)], "image,label\na,dog\n"),
        ("image,label\na,cat\nb,cat\n", [(0, 0, -1)], "image,label\na,\nb,cat\n"),
        ("image,label\na,\nb,cat\n", [(0, 1, 1)], "image,label\na,dog\nb,cat\n"),
        ("image,label\na,cat\nb,cat\na,dog\n", [(0, 0, 0), (0, 1, 0)], "image,label\nb,cat\na,\n"),
        ("image,label\na,cat\nb,cat", [(1, 1, 1)], "image,label\na,cat\nb,cat\nb,dog"),
        ("image,label\r\na,cat\r\nb,cat\r\n", [(0, 1, 1)], "image,label\r\na,cat\r\na,dog\r\nb,cat\r\n"),
        ("image,label\na,cat\n", [(0, 0, 0), (0, 1, 1)], "image,label\na,dog\n"),
        ("image,label\na,cat\n", [(0, 1, -1)], "image,label\na,cat\n"),
        ("label,by,image\ncat,me,a\n", [(0, 1, 1)], "label,by,image\ncat,me,a\ndog,,a\n"),
        ("image,label,value\na,cat,1\n", [(0, 0, -1), (0, 1, -1)], "image,label,value\na,cat,-1\na,dog,-1\n"),
        ("image,label,value\na,cat,1.0\n", [(0, 0, 0)], "image,label,value\na,cat,0.0\n"),
        ('image,label,value\n"a",cat,"0"\n', [(0, 0, 1)], 'image,label,value\n"a",cat,"1"\n'),
        ("image,label,value\na,cat,1\na,cat,1\n", [(0, 0, -1)], "image,label,value\na,cat,-1\na,cat,-1\n"),
        ("image,label,value\na,,\n", [(0, 1, -1)], "image,label,value\na,dog,-1\n"),
    ],
)
def test_long_csv_changes_just_these_rows(text, changes, expected, tmp_path):
    assert corrected_bytes(LONG, text, changes, tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("image,cat,dog\na,1,\nb,,1\n", [(0, 0, -1)], "image,cat,dog\na,-1,\nb,,1\n"),
        ("image,dog,cat\na,0.0,1.0", [(0, 0, -1), (0, 1, 1)], "image,dog,cat\na,1.0,-1.0"),
        ('image,cat,dog\n"a, b","1", 0 \r\n', [(0, 0, 0)], 'image,cat,dog\n"a, b","0", 0 \r\n'),
    ],
)
def test_wide_csv_changes_just_these_cells(text, changes, expected, tmp_path):
    assert corrected_bytes(WIDE, text, changes, tmp_path) == expected


def test_wide_csv_reads_a_large_table_in_seconds(tmp_path):
    rows = [f"{i}.jpg," + ",".join("1" if (i + j) % 40 == 0 else "0" for j in range(80)) for i in range(20_000)]
    (tmp_path / "wide.csv").write_text("\n".join(["image," + ",".join(f"c{j}" for j in range(80)), *rows]))

    dataset = WIDE.read(tmp_path / "wide.csv")

    assert dataset.given_labels.n_observed == 40_000


# What an image or a class may be called: no control characters in images, no space at the ends of classes.
image_names = st.text('aü,"; =-1.', min_size=1, max_size=6).filter(lambda name: name.strip(". ") != "")
class_names = st.text('aü,"\n; =-1', min_size=1, max_size=6).filter(lambda name: name == name.strip())


@st.composite
def datasets(draw):
    images = draw(st.lists(image_names, min_size=1, max_size=5, unique=True))
    classes = draw(st.lists(class_names, min_size=1, max_size=4, unique=True))
    cells = st.lists(st.sampled_from([1, 0, -1]), min_size=len(classes), max_size=len(classes))
    labels = LabelMatrix.from_dense([draw(cells) for _ in images])
    return AnnotatedDataset(images, images, classes, labels)


@given(dataset=datasets())
def test_a_new_wide_csv_says_what_the_dataset_says(folder, dataset):
    path = folder / "new_wide.csv"
    WIDE.create(path, dataset)

    again = WIDE.read(path)

    assert list(again.image_ids) == list(dataset.image_ids)
    assert list(again.class_names) == list(dataset.class_names)
    assert again.given_labels == dataset.given_labels
    assert WIDE.holds_absent(path)


@given(dataset=datasets())
def test_a_new_long_csv_says_what_the_dataset_says(folder, dataset):
    path, names = folder / "new_long.csv", folder / "new_classes.txt"
    LONG.create(path, dataset)
    assert LONG.holds_absent(path)
    if any("\n" in name for name in dataset.class_names):
        return  # no class file can hold such a name
    names.write_text("\n".join(dataset.class_names), encoding="utf-8")

    again = LONG.read(path, classes=names)

    assert recognise(path) == "csv"
    assert list(again.image_ids) == list(dataset.image_ids)
    assert again.given_labels == dataset.given_labels


@pytest.mark.parametrize("form", [LONG, WIDE], ids=lambda form: form.name)
@pytest.mark.parametrize("name", ["", " cat", "cat\n"])
def test_a_class_name_that_would_be_read_as_another_is_refused_before_anything_is_written(form, name, tmp_path):
    dataset = AnnotatedDataset(["a"], ["a"], ["dog", name], LabelMatrix.empty((1, 2)))

    with pytest.raises(InputError, match="without space at their ends"):
        form.create(tmp_path / "new.csv", dataset)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("image,label\na,cat\n", False),
        ("image,label,value\na,cat,1\n", True),
        ("\n value ,label,image\n", True),
        ("", False),
    ],
)
def test_a_long_csv_holds_verified_negatives_where_it_has_a_value_column(text, holds, tmp_path):
    (tmp_path / "labels.csv").write_text(text)
    assert LONG.holds_absent(tmp_path / "labels.csv") is holds
