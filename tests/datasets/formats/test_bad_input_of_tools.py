"""Wrong files of other tools end in one sentence, too: file and record, what was expected, what came, the cure."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelmend_core.errors import AnnotationError
from labelmend_datasets.formats import FORMATS, recognise

Content = bytes | dict[str, bytes]
BOMB = """<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;"><!ENTITY lol3 "&lol2;&lol2;&lol2;">]>"""
YAML_BOMB = b"a: &a [x,x,x]\nb: &b [*a,*a,*a]\nnames: [*b,*b,*b]\n"


def parquet(metadata: dict[str, str] | None = None, **columns: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, metadata=metadata), buffer)
    return buffer.getvalue()


def hugging_face(labels: list[list[int]], images: list[str], names: tuple[str, ...] = ("cat", "dog")) -> bytes:
    features = {"labels": [{"names": names, "_type": "ClassLabel"}]}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return parquet(metadata, file_name=images, labels=pa.array(labels, type=pa.list_(pa.int64())))


def yolo(config: bytes = b"names: [cat, dog]\n", **labels: bytes) -> dict[str, bytes]:
    images = {f"images/{name}.jpg": b"" for name in ("a", *labels)}
    return {"data.yaml": config, **images, **{f"labels/{name}.txt": text for name, text in labels.items()}}


def nus(**files: bytes) -> dict[str, bytes]:
    content = {"Imagelist.txt": b"a.jpg\nb.jpg\n", "Labels_cat.txt": b"1\n0\n", "Labels_dog.txt": b"0\n1\n"}
    return {**content, **{f"{name}.txt": text for name, text in files.items()}}


def task(image: str, *results: object) -> dict[str, object]:
    return {"data": {"image": image}, "annotations": [{"result": list(results)}]}


def chosen(choices: object) -> dict[str, object]:
    return {"type": "choices", "value": {"choices": choices}}


def tasks(*some: object) -> bytes:
    return json.dumps(some).encode()


def cvat(name: str = "a.jpg", inside: str = '<tag label="cat"/>', head: str = "") -> bytes:
    return f'{head}<annotations>\n<image name="{name}">\n{inside}</image>\n</annotations>'.encode()


CASES: dict[str, tuple[str, Content, list[str]]] = {
    "parquet, text": ("parquet", b"image,label\n", ["a whole Parquet file", "written to its end"]),
    "parquet, cut off": ("parquet", parquet(image=["a.jpg"], label=["cat"])[:-9], ["a whole Parquet file"]),
    "parquet, other columns": ("parquet", parquet(name=["a.jpg"]), ["columns image and label", "'name'"]),
    "parquet, image as number": (
        "parquet",
        parquet(
            image=[7],
            label=["cat"],
        ),
        ["row 1, column 'image'", "text", "int64"],
    ),
    "parquet, value as text": ("parquet", parquet(image=["a"], label=["b"], value=["1"]), ["column value", "string"]),
    "parquet, huge value": (
        "parquet",
        parquet(image=["a", "b"], label=["c", "c"], value=[1, 2**62]),
        ["row 2", "'value'", "1, 0 or -1", "4.61169e+18"],
    ),
    "parquet, infinite": (
        "parquet",
        parquet(image=["a"], label=["c"], value=[float("inf")]),
        ["row 1", "1, 0 or -1", "inf"],
    ),
    "parquet, contradiction": (
        "parquet",
        parquet(image=["a", "a"], label=["cat", "cat"], value=[1, -1]),
        ["row 2", "one value a label", "'cat' of 'a'"],
    ),
    "parquet, empty": ("parquet", parquet(image=pa.array([], pa.string()), label=["x"][:0]), ["at least one image"]),
    "parquet-wide, text": (
        "parquet-wide",
        parquet(
            image=["a"],
            cat=["yes"],
        ),
        ["only columns of numbers", "cat (string)"],
    ),
    "parquet-wide, probability": ("parquet-wide", parquet(image=["a"], cat=[0.7]), ["row 1, column 'cat'", "got 0.7"]),
    "parquet-wide, duplicate": ("parquet-wide", parquet(image=["a", "./a"], cat=[1, 0]), ["row 2", "first: row 1"]),
    "hf-parquet, no metadata": ("hf-parquet", parquet(image=["a"]), ["list of ClassLabel", "Dataset.to_parquet"]),
    "hf-parquet, index": ("hf-parquet", hugging_face([[0], [2]], ["a", "b"]), ["row 2", "indices 0…1", "got 2"]),
    "hf-parquet, duplicate": ("hf-parquet", hugging_face([[0], [1]], ["a", "a"]), ["row 2", "every image once"]),
    "hf-parquet, no name": ("hf-parquet", hugging_face([[0]], [""]), ["row 1", "the name of an image"]),
    "hf-jsonl, no JSON": ("hf-jsonl", b'{"file_name": "a", "labels": []}\n{"file_name"\n', ["line 2", "a JSON object"]),
    "hf-jsonl, no name": ("hf-jsonl", b'{"labels": []}\n', ["line 1", "'file_name'", "add the file's name"]),
    "hf-jsonl, no labels": ("hf-jsonl", b'{"file_name": "a"}\n', ["line 1", "a list in one of labels"]),
    "hf-jsonl, labels missing": (
        "hf-jsonl",
        b'{"file_name": "a", "tags": ["x"]}\n{"file_name": "b"}\n',
        ["line 2", "a list in 'tags'", "an empty list"],
    ),
    "hf-jsonl, mixed": ("hf-jsonl", b'{"file_name": "a", "tags": ["x", 3]}\n', ["line 1", "class names as text"]),
    "hf-jsonl, huge index": ("hf-jsonl", b'{"file_name": "a", "tags": [99999999999]}', ["line 1", "0…99999"]),
    "hf-jsonl, endless number": (
        "hf-jsonl",
        b'{"file_name": "a", "tags": [' + b"9" * 5_000 + b"]}",
        ["line 1", "JSON"],
    ),
    "hf-jsonl, duplicate": (
        "hf-jsonl",
        b'{"file_name": "a", "tags": ["x"]}\n{"file_name": "a", "tags": []}\n',
        ["line 2", "first: line 1"],
    ),
    "hf-jsonl, no label": ("hf-jsonl", b'{"file_name": "a", "tags": []}', ["at least one label"]),
    "hf-jsonl, UTF-16": ("hf-jsonl", '{"file_name": "a"}'.encode("utf-16"), ["line 1", "byte 0xff at byte 1"]),
    "yolo, no data.yaml": ("yolo", {"images/a.jpg": b""}, ["a folder with a data.yaml"]),
    "yolo, no YAML": ("yolo", yolo(b"names: [cat\n"), ["data.yaml, line 2", "YAML"]),
    "yolo, no names": ("yolo", yolo(b"nc: 3\n"), ["data.yaml, names", "a list of class names"]),
    "yolo, bomb": ("yolo", yolo(YAML_BOMB), ["data.yaml", "without aliases"]),
    "yolo, code": ("yolo", yolo(b"names: !!python/object/apply:os.getcwd []\n"), ["data.yaml, line 1", "YAML"]),
    "yolo, gap": ("yolo", yolo(b"names: {0: cat, 2: dog}\n"), ["class indices 0, 1", "[0, 2]"]),
    "yolo, a number as name": ("yolo", yolo(b"names: [cat, 3]\n"), ["names[1]", "as text", "got 3"]),
    "yolo, yes as name": ("yolo", yolo(b"names: [cat, no]\n"), ["names[1]", "got False", "into quotes"]),
    "yolo, name twice": ("yolo", yolo(b"names: [cat, cat]\n"), ["names[1]", "every class name once"]),
    "yolo, index": ("yolo", yolo(a=b"0 1 1 1 1\n2 1 1 1 1\n"), ["a.txt, line 2", "index 0…1", "data.yaml"]),
    "yolo, a word": ("yolo", yolo(a=b"cat 1 1 1 1\n"), ["a.txt, line 1", "'cat 1 1 1 1'"]),
    "yolo, no image": ("yolo", yolo() | {"labels/b.txt": b"0 1 1 1 1"}, ["labels/b.txt", "no such image"]),
    "yolo, no images": ("yolo", {"data.yaml": b"names: [cat]\n"}, ["at least one image"]),
    "open-images, boxes": ("open-images", b"ImageID,LabelName,XMin\n", ["a header with ImageID", "not the boxes"]),
    "open-images, word": (
        "open-images",
        b"ImageID,LabelName,Confidence\na,/m/1,yes\n",
        ["line 2", "from 0 to 1", "'yes'"],
    ),
    "open-images, NaN": ("open-images", b"ImageID,LabelName,Confidence\na,/m/1,nan\n", ["line 2", "from 0 to 1"]),
    "open-images, short": ("open-images", b"ImageID,LabelName,Confidence\na,/m/1\n", ["line 2", "3 columns"]),
    "nus-wide, no list": ("nus-wide", {"Labels_cat.txt": b"1\n"}, ["an image list", "right folder"]),
    "nus-wide, short": ("nus-wide", nus(Labels_cat=b"1\n"), ["Labels_cat.txt", "each of the 2 images", "got 1"]),
    "nus-wide, value": ("nus-wide", nus(Labels_cat=b"1\n-1\n"), ["Labels_cat.txt, line 2", "1 or 0", "'-1'"]),
    "nus-wide, duplicate": (
        "nus-wide",
        nus(
            Imagelist=b"a.jpg\na.jpg\n",
        ),
        ["Imagelist.txt, line 2", "every image once"],
    ),
    "nus-wide, both": (
        "nus-wide",
        nus(TrainImagelist=b"a.jpg\n", Labels_cat_Train=b"1\n"),
        ["or those of training and test images, got both"],
    ),
    "vg500, a list": ("vg500", b"[]", ["expected JSON", "Expecting '{'"]),
    "vg500, a word": ("vg500", b'{"a.jpg": ["cat"]}', ["image 1, 'a.jpg'", "class indices 0…99999", "'cat'"]),
    "vg500, true": ("vg500", b'{"a.jpg": [true]}', ["image 1", "got True"]),
    "vg500, no list": ("vg500", b'{"a.jpg": [1], "b.jpg": 2}', ["image 2", "a list of class indices"]),
    "vg500, duplicate": ("vg500", b'{"a.jpg": [1], "a.jpg": []}', ["image 2", "first: image 1"]),
    "vg500, empty": ("vg500", b"{}", ["at least one image"]),
    "image-folder, empty": ("image-folder", {"a.jpg": b""}, ["at least one image"]),
    "label-studio, object": ("label-studio", b'{"a": 1}', ["line 1", "JSON", "Expecting '['"]),
    "label-studio, cut off": ("label-studio", tasks(task("a.jpg", chosen(["x"])))[:-9], ["line 1", "cut off"]),
    "label-studio, two arrays": ("label-studio", tasks(task("a", chosen(["x"]))) + b"\n[]", ["line 2", "Extra data"]),
    "label-studio, no image": ("label-studio", tasks({"data": {"text": "x"}}), ["task 1", "with an image"]),
    "label-studio, a number": ("label-studio", tasks(task("a", chosen(["x"])), 3), ["task 2", "with an image", "3"]),
    "label-studio, choice": ("label-studio", tasks(task("a", chosen("x"))), ["task 1", "a list of choices"]),
    "label-studio, duplicate": (
        "label-studio",
        tasks(task("a", chosen(["x"])), task("/data/local-files/?d=a")),
        ["task 2", "first: task 1"],
    ),
    "label-studio, not UTF-8": ("label-studio", b'[{"data": {"image": "\xe4"}}]', ["UTF-8 text", "byte 0xe4"]),
    "label-studio, nested": ("label-studio", b"[" * 200_000, ["nested too deeply"]),
    "label-studio, endless number": ("label-studio", b"[" + b"9" * 5_000 + b"]", ["line 1", "JSON"]),
    "cvat, cut off": ("cvat", cvat()[:-9], ["well-formed XML", "cut off"]),
    "cvat, entity bomb": ("cvat", cvat(inside="&lol3;", head=BOMB), ["without entity definitions"]),
    "cvat, another document": ("cvat", b"<html/>", ["an element annotations", "'html'"]),
    "cvat, video": ("cvat", b"<annotations><track/></annotations>", ["line 1", "an element image", "a track"]),
    "cvat, no name": ("cvat", cvat(name=""), ["line 2", "an attribute name"]),
    "cvat, no label": ("cvat", cvat(inside="<tag/>"), ["line 3", "an attribute label"]),
    "cvat, no tag": ("cvat", cvat(inside=""), ["at least one label"]),
    "cvat, UTF-16": ("cvat", "<annotations/>".encode("utf-16"), ["XML in UTF-8"]),
}

NAMES_THAT_LEAVE = ["../../etc/passwd", "/etc/passwd", "sub/../../x.jpg", "..", "C:/x.jpg"]
OF_IMAGE: dict[str, Callable[[str], Content]] = {
    "parquet": lambda name: parquet(image=[name], label=["cat"]),
    "parquet-wide": lambda name: parquet(image=[name], cat=[1]),
    "hf-parquet": lambda name: hugging_face([[0]], [name]),
    "hf-jsonl": lambda name: json.dumps({"file_name": name, "labels": ["cat"]}).encode(),
    "open-images": lambda name: f"ImageID,LabelName,Confidence\n{name}/x,/m/1,1\n".encode(),
    "nus-wide": lambda name: nus(Imagelist=f"a.jpg\n{name}\n".encode()),
    "vg500": lambda name: json.dumps({name: [0]}).encode(),
    "label-studio": lambda name: tasks(task(f"/data/local-files/?d={name}", chosen(["cat"]))),
    "cvat": lambda name: cvat(name=name),
}


def write(format_name: str, content: Content, folder: Path) -> Path:
    path = folder / f"source{FORMATS[format_name].suffix}"
    for name, raw in ({"": content} if isinstance(content, bytes) else content).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(raw)
    return path


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_file_is_refused_in_one_sentence(case, tmp_path):
    format_name, content, words = CASES[case]
    source = write(format_name, content, tmp_path)

    with pytest.raises(AnnotationError) as caught:
        FORMATS[format_name].read(source)

    message = str(caught.value)
    assert all(word in message for word in [source.name, *words]), message
    assert "\n" not in message
    assert message.startswith(str(source))
    assert message.count(": expected ") == 1
    assert len(message) < 400


@pytest.mark.parametrize("name", NAMES_THAT_LEAVE)
@pytest.mark.parametrize("format_name", OF_IMAGE)
def test_an_image_name_that_leaves_the_image_folder_is_refused(format_name, name, tmp_path):
    source = write(format_name, OF_IMAGE[format_name](name), tmp_path)

    with pytest.raises(AnnotationError, match="which escapes the image folder"):
        FORMATS[format_name].read(source)


def test_a_link_to_another_folder_is_not_followed(tmp_path):
    outside = tmp_path / "outside" / "cat"
    outside.mkdir(parents=True)
    (outside / "secret.jpg").touch()
    source = write("image-folder", {"dog/a.jpg": b""}, tmp_path)
    (source / "cat").symlink_to(outside)

    assert FORMATS["image-folder"].read(source).image_ids == ["dog/a.jpg"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"hello\n", "its first line is 'hello', which is neither name.jpg,i j k nor the start of"),
        (b"<html></html>", "it is XML, but no CVAT annotations; for Pascal VOC name the folder"),
        (parquet(name=["a"], score=[0.5]), "it is Parquet with the columns 'name, score'"),
    ],
)
def test_what_is_not_recognised_is_refused_with_the_reason(content, reason, tmp_path):
    (tmp_path / "notes").write_bytes(content)

    with pytest.raises(AnnotationError, match="looks like none") as caught:
        recognise(tmp_path / "notes")

    assert reason in str(caught.value)


def test_a_table_with_semicolons_is_asked_about_them(tmp_path):
    (tmp_path / "labels.csv").write_text("image;label\n")

    with pytest.raises(AnnotationError, match=r"'image;label' is no header .*; are its columns separated by commas\?"):
        recognise(tmp_path / "labels.csv")
