"""The image list: which bytes a correction changes, property round trips, and the real lists of 82,081 images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmend_core.types import LabelMatrix
from labelmend_datasets.formats import FORMATS

LIST = FORMATS["list"]

names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\:."), min_size=1, max_size=8)
endings = st.sampled_from(["\n", "\r\n", "\n\n"])
spaces = st.sampled_from(["", " ", "  "])


@st.composite
def lists(draw):
    """The text of a list of unique images with odd spacing and line endings, empty lines, a byte order mark or not."""
    lines = []
    for number in range(draw(st.integers(1, 6))):
        tokens = [str(index) for index in draw(st.lists(st.integers(0, 4), max_size=4))]
        body = draw(st.sampled_from([" ", "  ", "\t"])).join(tokens)
        name = f"{draw(names)}{number}.jpg"
        lines.append(f"{name},{draw(spaces)}{body}{draw(spaces)}{draw(endings)}")
    text = "".join(lines)
    return draw(st.sampled_from(["", "\ufeff"])) + (text.rstrip("\r\n") if draw(st.booleans()) else text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("lists")
    (path / "classes.txt").write_text("a\nb\nc\nd\ne\n")
    return path


@given(text=lists(), data=st.data())
def test_only_the_lines_of_changed_images_change(folder, text, data):
    source, classes = folder / "source.txt", folder / "classes.txt"
    source.write_bytes(text.encode())
    dataset = LIST.read(source, classes=classes)
    n, k = dataset.given_labels.shape
    cells = st.tuples(st.integers(0, n - 1), st.integers(0, k - 1), st.sampled_from([1, 0, -1]))
    images, columns, values = np.array(data.draw(st.lists(cells, max_size=6)), dtype=int).reshape(-1, 3).T
    corrected = dataset.given_labels.replace(images, columns, values)

    (written,) = LIST.write(source, folder / "written.txt", dataset, corrected)

    before, after = (path.read_bytes().split(b"\n") for path in (source, written))
    assert len(before) == len(after)
    changed = (np.maximum(corrected.dense(), 0) != dataset.given_labels.dense()).any(axis=1)
    texts = [index for index, line in enumerate(before) if line.removeprefix("\ufeff".encode()).strip()]
    assert [before[index] != after[index] for index in texts] == changed.tolist()
    again = LIST.read(written, classes=classes)
    assert again.image_ids == dataset.image_ids
    assert (again.given_labels.dense() == np.maximum(corrected.dense(), 0)).all()


@pytest.mark.parametrize(
    ("line", "changes", "expected"),
    [
        ("a.jpg, 0 52 60\r\n", {52: 0}, "a.jpg, 0 60\r\n"),
        ("a.jpg, 0 52\n", {13: 1}, "a.jpg, 0 13 52\n"),
        ("a.jpg,52 0\n", {13: 1}, "a.jpg,52 0 13\n"),
        ("a.jpg,07 8\n", {8: -1}, "a.jpg,07\n"),
        ("a.jpg, 7 7\n", {7: -1}, "a.jpg,\n"),
        ("a.jpg,\n", {3: 1, 2: 1}, "a.jpg,2 3\n"),
        ("a.jpg,5", {3: -1}, "a.jpg,5"),
        ("a, b.jpg,5", {6: 1}, "a, b.jpg,5 6"),
    ],
)
def test_a_changed_line_keeps_what_stays_in_its_order_and_spacing(line, changes, expected, tmp_path):
    source, classes = tmp_path / "source.txt", tmp_path / "classes.txt"
    source.write_bytes(line.encode())
    classes.write_text("\n".join(f"class {index}" for index in range(80)))
    dataset = LIST.read(source, classes=classes)
    corrected = dataset.given_labels.replace([0] * len(changes), list(changes), list(changes.values()))

    LIST.write(source, tmp_path / "out.txt", dataset, corrected)

    assert (tmp_path / "out.txt").read_bytes() == expected.encode()


def test_a_list_without_any_label_has_one_class(tmp_path):
    (tmp_path / "a.txt").write_text("a.jpg,\nb.jpg, \n")

    dataset = LIST.read(tmp_path / "a.txt")

    assert dataset.class_names == ["class_0"]
    assert dataset.given_labels == LabelMatrix.empty((2, 1))


@pytest.mark.shared
@pytest.mark.parametrize("left", ["full", "0.4left"])
def test_the_real_coco_lists_are_read_and_written_back_byte_for_byte(left, shared_dir, tmp_path):
    source = shared_dir / "data" / "lists" / f"coco_train_{left}.txt"

    dataset = LIST.read(source)
    (written,) = LIST.write(source, tmp_path / "out.txt", dataset, dataset.given_labels)

    assert dataset.given_labels.shape == (82_081, 80)
    assert dataset.given_labels.nbytes < 2_000_000
    assert written.read_bytes() == source.read_bytes()


@pytest.mark.shared
def test_one_correction_of_a_real_list_changes_one_line(shared_dir, tmp_path):
    source = shared_dir / "data" / "lists" / "scpnet_voc_train.txt"
    classes = shared_dir / "data" / "lists" / "scpnet_voc_labels.txt"
    dataset = LIST.read(source, classes=classes)
    last = dataset.given_labels.shape[0] - 1

    LIST.write(source, tmp_path / "out.txt", dataset, dataset.given_labels.replace([last], [19], [1]))

    before, after = source.read_bytes(), (tmp_path / "out.txt").read_bytes()
    assert dataset.class_names[0] == "aeroplane"
    assert len(dataset.class_names) == 20
    assert after == before + b" 19"
