"""What holds for every format: reading, writing back, and that the source is never touched."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from labelmend_core.errors import AnnotationError, InputError, WorkspaceError
from labelmend_datasets.formats import ADDITIONS_NAME, FORMATS, TASK_NAMES, recognise


def test_reads_images_classes_and_labels(sample):
    dataset = sample.read()

    assert tuple(dataset.image_ids) == tuple(dataset.paths) == sample.image_ids
    assert tuple(dataset.class_names) == sample.class_names
    assert (dataset.given_labels.dense() == sample.labels).all()


def test_reads_classes_from_the_data_when_no_class_file_is_given(sample):
    dataset = sample.format.read(sample.source)

    assert tuple(dataset.class_names) == sample.own_names
    places = range(len(sample.class_names))
    order = (
        list(places)
        if sample.own_names[0] in ("class_0", "/m/cat")
        else [sample.own_names.index(name) for name in sample.class_names]
    )
    assert (dataset.given_labels.dense()[:, order] == sample.labels).all()


def test_an_unchanged_dataset_is_written_back_byte_for_byte(sample):
    written = sample.write(sample.destination(), sample.read().given_labels)

    if sample.format.written_as:
        assert sample.read_again(written).given_labels == sample.read().given_labels
        return
    assert written == [sample.destination()]
    assert list(sample.contents(written[0]).values()) == list(sample.contents(sample.source).values())
    assert sorted(path.name for path in sample.destination().parent.iterdir()) == [sample.destination().name]


def test_a_correction_is_read_back_as_far_as_the_format_can_say_it(sample):
    corrected = sample.correct()

    written = sample.write(sample.destination(), corrected)

    expected = corrected.dense()
    if not sample.format.holds_absent(sample.source):
        expected = np.maximum(expected, 0)
    if sample.format.boxes:
        expected[1, 1] = 0
    again = sample.read_again(written)
    assert (again.given_labels.dense() == expected).all()
    assert again.image_ids == sample.read().image_ids


def test_a_verified_negative_survives_where_the_format_says_so(sample):
    corrected = sample.read().given_labels.replace([0], [0], [-1])

    written = sample.write(sample.destination(), corrected)

    again = sample.read_again(written).given_labels
    assert again.values([0], [0])[0] == (-1 if sample.format.holds_absent(sample.source) else 0)


def test_what_is_written_back_after_undoing_a_correction_says_what_the_source_says(sample):
    written = sample.write(sample.destination(), sample.correct())
    form = FORMATS[sample.format.written_as or sample.format.name]
    first, dataset = written[0], sample.read_again(written)

    second = form.write(first, sample.source.parent / "again", dataset, dataset.given_labels)[0]

    assert list(sample.contents(second).values()) == list(sample.contents(first).values())


def test_writing_touches_neither_the_source_nor_the_labels(sample):
    before, given, corrected = sample.contents(sample.source), sample.read().given_labels, sample.correct()
    dense = corrected.dense()

    sample.write(sample.destination(), corrected)

    assert sample.contents(sample.source) == before
    assert (corrected.dense() == dense).all()
    assert (given.dense() == sample.labels).all()


def test_an_added_class_is_listed_beside_boxes_and_never_becomes_one(sample):
    written = sample.write(sample.destination(), sample.correct())

    additions = sample.destination().parent / ADDITIONS_NAME
    if not sample.format.boxes:
        assert sample.format.written_as or written == [sample.destination()]
        assert not additions.exists()
        return
    assert written == [sample.destination(), additions, *(additions.with_name(name) for name in TASK_NAMES)]
    assert json.loads(additions.read_text()) == {
        "annotations": sample.destination().name,
        "additions": [{"image": sample.image_ids[1], "class": "dog"}],
        "images_that_need_a_box": [sample.image_ids[1]],
    }
    before, after = (b"".join(sample.contents(path).values()) for path in (sample.source, written[0]))
    assert len(after) < len(before)
    assert set(after.splitlines()) <= set(before.splitlines())


@pytest.mark.parametrize("box_format", [name for name, one in FORMATS.items() if one.boxes])
def test_what_needs_a_box_goes_to_label_studio_and_cvat_as_tasks_that_they_and_we_read(make_sample, box_format):
    sample = make_sample(box_format)
    written = sample.write(sample.destination(), sample.correct())

    for path, name in zip(written[2:], ("label-studio", "cvat"), strict=True):
        assert recognise(path) == name
    tasks = json.loads(written[2].read_text(encoding="utf-8"))
    assert [task["data"]["draw"] for task in tasks] == ["dog"]
    tags = FORMATS["cvat"].read(written[3])
    assert tags.paths == [sample.image_ids[1]]
    assert [tags.class_names[index] for index in tags.given_labels.positives(0)] == ["dog"]


def test_the_source_is_refused_as_destination(sample):
    inside = sample.source / "out" if sample.format.is_folder else sample.source.parent / "." / sample.source.name

    for destination in (sample.source, inside):
        with pytest.raises(InputError, match="other than the source annotations"):
            sample.write(destination, sample.correct())


def test_a_source_that_changed_after_the_import_is_not_written(sample):
    dataset, corrected = sample.read(), sample.correct()
    stale = type(dataset)(dataset.image_ids, dataset.paths, dataset.class_names, corrected)

    with pytest.raises(AnnotationError, match="has changed since; import it again"):
        sample.format.write(sample.source, sample.destination(), stale, corrected)

    assert not sample.destination().exists()


def test_a_full_disk_leaves_an_earlier_export_as_it_was(sample, monkeypatch):
    destination = sample.destination()
    if sample.format.is_folder:
        destination.mkdir(parents=True)
    else:
        sample.write(destination, sample.read().given_labels)
    before = sample.contents(destination)

    def full(*arguments, **keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WorkspaceError, match="disk is full"):
        sample.write(destination, sample.correct())

    assert sample.contents(destination) == before
    assert list(destination.parent.iterdir()) == [destination]


def test_recognises_its_own_sources(sample):
    assert recognise(sample.source) == sample.format.name


def test_a_written_file_is_recognised_again(sample):
    written = sample.write(sample.destination(), sample.correct())[0]

    assert recognise(sample.placed(written)) == (sample.format.written_as or sample.format.name)


@pytest.mark.parametrize("content", ["", "hello\n", "a.jpg;0\n", "<html></html>", "name,cat\na.jpg,1\n"])
@pytest.mark.parametrize("name", ["notes.txt", "notes", "notes.csv"])
def test_a_file_in_no_format_is_refused_with_a_list_of_the_formats(tmp_path, name, content):
    (tmp_path / name).write_text(content)

    with pytest.raises(AnnotationError, match="looks like none") as caught:
        recognise(tmp_path / name)

    assert all(one.description in str(caught.value) for one in FORMATS.values())


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(AnnotationError, match=r"looks like none: it is a folder without .*; nothing is in it"):
        recognise(tmp_path)


def test_a_missing_source_is_named(sample):
    missing = sample.source.with_name("nowhere")

    for read in (recognise, sample.format.read):
        with pytest.raises(AnnotationError, match=r"nowhere, but nothing is there; is the path right\?"):
            read(missing)


def test_a_folder_for_a_file_and_a_file_for_a_folder_are_refused(sample):
    wrong = sample.classes if sample.format.is_folder else sample.source.parent

    with pytest.raises(AnnotationError, match=r"is a (file|folder); does the format that you chose read that\?"):
        sample.format.read(wrong)
