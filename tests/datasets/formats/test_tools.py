"""The formats of tools and datasets: what each keeps, what it adds, and examples of their own documentation."""

import csv
import json

import pytest

from labelmend_datasets.formats import FORMATS, _json_stream, cvat

# https://labelstud.io/guide/export: a task with a region and a choice.
LABEL_STUDIO_EXAMPLE = """[{"id": 1, "created_at":"2021-03-09T21:52:49.513742Z", "project":83,
  "data": {"image": "https://example.com/opensource/label-studio/1.jpg"},
  "annotations": [{"id": "1001", "result": [
    {"from_name": "tag", "id": "Dx_aB91ISN", "source": "$image", "to_name": "img", "type": "rectanglelabels",
     "value": {"height": 10.458911419423693, "rectanglelabels": ["Moonwalker"], "rotation": 0, "width": 12.4}},
    {"from_name": "kind", "id": "x", "to_name": "img", "type": "choices", "value": {"choices": ["Space"]}}],
   "was_cancelled":false, "ground_truth":false, "lead_time":4.288, "result_count":0, "task":1, "completed_by":10}],
  "predictions": [{"model_version": "model 1", "result": [
    {"from_name": "kind", "to_name": "img", "type": "choices", "value": {"choices": ["Sea"]}}]}]}]"""

# https://docs.cvat.ai/docs/other/xml_format: a task of images with a tag and a box.
CVAT_EXAMPLE = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>4</id>
      <mode>annotation</mode>
      <labels>
        <label><name>car</name><attributes><attribute><name>model</name></attribute></attributes></label>
        <label><name>night</name><attributes></attributes></label>
      </labels>
      <owner><username>admin</username></owner>
    </task>
  </meta>
  <image id="0" name="filename000.jpg" width="1600" height="1200">
    <box label="car" xtl="797.33" ytl="870.92" xbr="965.52" ybr="928.94" occluded="0">
      <attribute name="model">a</attribute>
    </box>
  </image>
  <image id="1" name="filename001.jpg" width="1600" height="1200">
    <tag label="night" source="manual"></tag>
  </image>
</annotations>
"""


def test_label_studio_choices_are_labels_and_regions_and_predictions_are_none(tmp_path):
    (tmp_path / "a.json").write_text(LABEL_STUDIO_EXAMPLE)

    dataset = FORMATS["label-studio"].read(tmp_path / "a.json")

    assert dataset.paths == ["opensource/label-studio/1.jpg"]
    assert dataset.class_names == ["Space"]
    assert dataset.given_labels.dense().tolist() == [[1]]


def test_label_studio_keeps_every_other_field_and_unchanged_tasks_as_they_are(make_sample):
    sample = make_sample("label-studio")
    source = sample.source.read_text(encoding="utf-8")

    (written,) = sample.write(sample.destination(), sample.correct())

    text = written.read_text(encoding="utf-8")
    last = source.index('  {\n    "id": 5')
    assert text.endswith(source[last:])
    before, after = json.loads(source), json.loads(text)
    assert [[one["value"] for one in annotation["result"]][1:] for annotation in after[0]["annotations"]] == [
        [],
        [{"choices": ["person"]}],
        [{"choices": ["dog"]}],
    ]
    choice = {"from_name": "what", "to_name": "img", "type": "choices", "value": {"choices": ["dog"]}}
    assert after[1]["annotations"] == [{"result": [choice]}]
    assert [{**task, "annotations": []} for task in after] == [{**task, "annotations": []} for task in before]


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_a_list_of_tasks_is_read_in_chunks_of_any_size(make_sample, monkeypatch, chunk):
    sample = make_sample("label-studio")
    monkeypatch.setattr(_json_stream, "_CHUNK", chunk)

    assert (sample.read().given_labels.dense() == sample.labels).all()
    assert "".join(one.text for one in _json_stream.pieces_of_array(sample.source)) == sample.source.read_text(
        encoding="utf-8"
    )


def test_an_error_far_into_a_list_of_tasks_names_its_line(tmp_path, monkeypatch):
    monkeypatch.setattr(_json_stream, "_CHUNK", 64)
    task = json.dumps({"data": {"image": "a.jpg"}})
    (tmp_path / "a.json").write_text("[\n" + f"{task},\n" * 300 + "{,}" + f",\n{task}" * 50 + "]")

    with pytest.raises(ValueError, match=r"a\.json, line 302: expected JSON, got an error at column 2"):
        list(_json_stream.pieces_of_array(tmp_path / "a.json"))


def test_cvat_reads_its_documented_example_and_adds_a_tag_in_its_style(tmp_path):
    (tmp_path / "a.xml").write_text(CVAT_EXAMPLE)
    format_ = FORMATS["cvat"]
    dataset = format_.read(tmp_path / "a.xml")

    corrected = dataset.given_labels.replace([0, 0], [0, 1], [-1, 1])
    (written,) = format_.write(tmp_path / "a.xml", tmp_path / "b.xml", dataset, corrected)

    assert dataset.class_names == ["car", "night"]
    assert dataset.given_labels.dense().tolist() == [[1, 0], [0, 1]]
    start, end = CVAT_EXAMPLE.index("\n    <box"), CVAT_EXAMPLE.index("\n  </image>")
    tag = '\n    <tag label="night" source="manual"></tag>'
    assert written.read_text() == CVAT_EXAMPLE[:start] + tag + CVAT_EXAMPLE[end:]


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "a\"b'c", "كلب", "🐕‍🦺", "x" * 200])
def test_a_hostile_class_name_comes_through_a_cvat_tag_as_it_is(tmp_path, name):
    source, classes = tmp_path / "a.xml", tmp_path / "classes.txt"
    source.write_text('<annotations><image name="a.jpg"/></annotations>')
    classes.write_text(f"{name}\ncat\n", encoding="utf-8")
    dataset = FORMATS["cvat"].read(source, classes=classes)

    written = FORMATS["cvat"].write(source, tmp_path / "b.xml", dataset, dataset.given_labels.replace([0], [0], [1]))

    again = FORMATS["cvat"].read(written[0])
    assert again.class_names == [name]


def test_coco_of_whole_images_gets_annotations_with_numbers_of_their_own(make_sample):
    sample = make_sample("coco-image")

    (written,) = sample.write(sample.destination(), sample.correct())

    annotations = json.loads(written.read_text(encoding="utf-8"))["annotations"]
    assert [one["id"] for one in annotations] == [2, 4, 5, 6]
    assert annotations[-1] == {"id": 6, "image_id": 4, "category_id": 18}


def test_coco_of_whole_images_may_have_no_annotation_yet(tmp_path):
    text = '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [ ], "categories": [{"id": 3, "name": "x"}]}'
    (tmp_path / "a.json").write_text(text)
    form = FORMATS["coco-image"]
    dataset = form.read(tmp_path / "a.json")

    (written,) = form.write(
        tmp_path / "a.json", tmp_path / "b.json", dataset, dataset.given_labels.replace([0], [0], [1])
    )

    new = '{"id": 1, "image_id": 1, "category_id": 3}'
    assert written.read_text() == text.replace("[ ]", f"[ {new}]")


def test_yolo_drops_the_lines_of_a_class_and_keeps_the_others_as_they_are(make_sample):
    sample = make_sample("yolo")

    written = sample.write(sample.destination(), sample.correct())[0]

    assert (written / "labels" / "b.txt").read_bytes() == b"1 .1 .1 .2 .2 .3 .3\r\n\r\n"
    assert (written / "data.yaml").read_bytes() == (sample.source / "data.yaml").read_bytes()
    assert not (written / "images").exists()


def test_open_images_keeps_what_a_machine_thought_and_says_who_added_a_label(make_sample):
    sample = make_sample("open-images")

    (written,) = sample.write(sample.destination(), sample.correct())

    assert list(csv.reader(written.read_text(encoding="utf-8").splitlines()))[1:] == [
        ["b", "verification", "/m/cat", "0"],
        ["sub/a", "machine", "/m/dog", "1.0"],
        ["b", "verification", "/m/person", "1.0"],
        ["ü c", "verification", "/m/dog", "1"],
        ["ü c", "crowdsource-verification", "/m/person", "1"],
        ["ü c", "verification", "/m/cat", "0"],
    ]


def test_nus_wide_changes_the_line_of_the_image_in_the_file_of_the_concept(make_sample):
    sample = make_sample("nus-wide")

    (written,) = sample.write(sample.destination(), sample.correct())

    labels = written / "Groundtruth" / "TrainTestLabels"
    assert (labels / "Labels_cat_Train.txt").read_bytes() == b"0\r\n0\r\n"
    assert (labels / "Labels_dog_Train.txt").read_bytes() == b"0\n1\n\n"
    assert (labels / "Labels_cat_Test.txt").read_bytes() == b"0"


def test_image_folder_lists_what_has_to_move_and_what_has_no_single_place(make_sample):
    sample = make_sample("image-folder")
    given = sample.read().given_labels

    written = sample.write(sample.destination(), given.replace([0, 0, 1, 1, 2], [0, 1, 1, 0, 0], [-1, 1, -1, -1, 1]))

    assert [path.name for path in written] == ["labels.csv", "moves.csv"]
    assert list(csv.reader(written[1].read_text(encoding="utf-8").splitlines())) == [
        ["image", "to", "classes"],
        ["cat/b.jpg", "dog/b.jpg", "dog"],
        ["dog/sub/a.jpg", "", ""],
        ["person/ü c.jpg", "", "cat; person"],
    ]


def test_image_folder_reads_what_torchvision_reads(make_sample):
    from torchvision.datasets import ImageFolder

    sample = make_sample("image-folder")

    theirs, ours = ImageFolder(sample.source), sample.format.read(sample.source)

    assert theirs.classes == ours.class_names
    assert [path for path, _ in theirs.samples] == [str(sample.source / path) for path in ours.paths]
    assert [[index] for _, index in theirs.samples] == [ours.given_labels.positives(i).tolist() for i in range(3)]


def test_hugging_face_lines_may_hold_indices(tmp_path):
    source, classes = tmp_path / "metadata.jsonl", tmp_path / "classes.txt"
    source.write_text('{"file_name": "a.jpg", "tags": [2, 0], "n": 1.50}\n{"file_name": "b.jpg", "tags": []}\n')
    classes.write_text("x\ny\nz\n")
    form = FORMATS["hf-jsonl"]
    dataset = form.read(source, classes=classes)

    corrected = dataset.given_labels.replace([0, 0], [2, 1], [-1, 1])
    (written,) = form.write(source, tmp_path / "b.jsonl", dataset, corrected)

    assert form.read(source).class_names == ["class_0", "class_1", "class_2"]
    assert dataset.given_labels.dense().tolist() == [[1, 0, 1], [0, 0, 0]]
    assert (
        written.read_text() == '{"file_name": "a.jpg", "tags": [0, 1], "n": 1.5}\n{"file_name": "b.jpg", "tags": []}\n'
    )


@pytest.mark.parametrize("piece", [1, 7, 64])
def test_cvat_is_read_in_pieces_of_any_size_wherever_the_labels_of_the_task_stand(make_sample, monkeypatch, piece):
    sample = make_sample("cvat")
    monkeypatch.setattr(cvat, "_PIECE", piece)
    first = sample.format.read(sample.source)
    text = sample.source.read_text(encoding="utf-8")
    meta = text[text.index("<meta>") : text.index("</meta>") + 7]
    sample.source.write_text(text.replace(meta, "").replace("</annotations>", f"{meta}</annotations>"), "utf-8")

    second = sample.format.read(sample.source)

    assert first.class_names == second.class_names == list(sample.own_names)
    assert first.given_labels == second.given_labels
    assert (sample.read().given_labels.dense() == sample.labels).all()
