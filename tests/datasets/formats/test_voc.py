"""Pascal VOC: which objects count, and that a removed class takes its objects and nothing else."""

import pytest

from labelmend_core.errors import InputError
from labelmend_datasets.formats import FORMATS

VOC = FORMATS["voc"]


def test_difficult_objects_count_and_parts_do_not(make_sample, tmp_path):
    sample = make_sample("voc")
    sample.classes.write_text("cat\ndog\nhead\nperson\n")

    dataset = sample.read()

    assert dataset.given_labels.dense().tolist() == [[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 1]]


def test_removing_a_class_removes_its_objects_and_keeps_every_other_byte(make_sample):
    sample = make_sample("voc")
    before = sample.contents(sample.source)

    (written,) = sample.write(sample.destination(), sample.read().given_labels.replace([0], [0], [-1]))

    after = sample.contents(written)
    assert {name for name in before if before[name] != after[name]} == {"1.xml"}
    text = before["1.xml"].decode()
    first, person, second = (
        text.index("\t<object>"),
        text.index("\t<object>\n\t\t<name>person"),
        text.rindex("\t<object>"),
    )
    assert after["1.xml"].decode() == text[:first] + text[person:second] + text[text.index("\t<segmented>") :]


def test_a_comment_that_looks_like_an_object_is_no_object(tmp_path):
    folder = tmp_path / "voc"
    folder.mkdir()
    comment = "<!-- <object><name>dog</name></object> -->"
    text = f"<annotation><filename>a.jpg</filename>{comment}<object><name>c<![CDATA[a]]>t</name></object></annotation>"
    (folder / "a.xml").write_text(text)
    dataset = VOC.read(folder)

    written = VOC.write(folder, tmp_path / "out", dataset, dataset.given_labels.replace([0], [0], [0]))

    assert dataset.class_names == ["cat"]
    assert (written[0] / "a.xml").read_text() == f"<annotation><filename>a.jpg</filename>{comment}</annotation>"


def test_a_latin_1_file_keeps_its_bytes(tmp_path):
    folder = tmp_path / "voc"
    folder.mkdir()
    head = '<?xml version="1.0" encoding="iso-8859-1"?>'
    text = f"{head}<annotation><filename>ä.jpg</filename><object><name>ü</name></object><object><name>b</name></object>"
    (folder / "a.xml").write_bytes(f"{text}</annotation>".encode("iso-8859-1"))
    dataset = VOC.read(folder)

    written = VOC.write(folder, tmp_path / "out", dataset, dataset.given_labels.replace([0], [0], [0]))

    assert dataset.image_ids == ["ä.jpg"]
    assert dataset.class_names == ["b", "ü"]
    expected = f"{head}<annotation><filename>ä.jpg</filename><object><name>ü</name></object></annotation>"
    assert (written[0] / "a.xml").read_bytes() == expected.encode("iso-8859-1")


def test_a_folder_that_holds_something_is_never_replaced(make_sample):
    sample = make_sample("voc")
    mine = sample.destination() / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")

    with pytest.raises(InputError, match="to be a new or an empty folder, but it holds something"):
        sample.write(sample.destination(), sample.correct())

    assert [path.name for path in sample.destination().parent.rglob("*")] == ["corrected", "mine.txt"]
