"""Every wrong annotation file ends in one sentence: file and record, what was expected, what came, the cure."""

import json
from pathlib import Path

import pytest

from labelmend_core.errors import AnnotationError
from labelmend_datasets.formats import FORMATS


def coco(**changes: object) -> bytes:
    document = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "categories": [{"id": 5, "name": "cat"}, {"id": 7, "name": "dog"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 5}],
    }
    return json.dumps({**document, **changes}).encode()


def voc(filename: str = "a.jpg", objects: str = "<object><name>cat</name></object>", head: str = "") -> bytes:
    return f"{head}<annotation>\n<filename>{filename}</filename>\n{objects}</annotation>".encode()


BOMB = """<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;"><!ENTITY lol3 "&lol2;&lol2;&lol2;">]>"""
EXTERNAL = """<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>"""

CASES = {
    # the image list
    "list, empty": ("list", b"\n \n", ["at least one image", "empty list"]),
    "list, no comma": ("list", b"a.jpg,0\nb.jpg 1\n", ["line 2", "name.jpg,i j k", "'b.jpg 1'"]),
    "list, commas between indices": ("list", b"a.jpg,0,1\n", ["line 1", "spaces between the class indices"]),
    "list, a word": ("list", b"a.jpg,cat\n", ["line 1", "class indices after the comma", "'cat'", "zero-based"]),
    "list, underscore": ("list", b"a.jpg,1_0\n", ["line 1", "'1_0'"]),
    "list, huge index": ("list", b"a.jpg,7\nb.jpg,123456789\n", ["line 2", "0…99999", "no class file", "123456789"]),
    "list, negative index": ("list", b"a.jpg,-1\n", ["line 1", "got -1", "zero-based"]),
    "list, duplicate image": (
        "list",
        b"a.jpg,0\nb.jpg,1\n./a.jpg,1\n",
        ["line 3", "image once", "first: line 1"],
    ),
    "list, not UTF-8": ("list", b"a.jpg,0\nb\xe9.jpg,1\n", ["line 2", "UTF-8", "byte 0xe9 at byte 2", "save the file"]),
    "list, UTF-16": ("list", "a.jpg,0\n".encode("utf-16"), ["line 1", "byte 0xff at byte 1"]),
    "list, old line endings": ("list", b"a.jpg,0\rb.jpg,1\r", ["line 1", "plain characters"]),
    # long CSV
    "csv, empty": ("csv", b"", ["line 1", "a header image,label or image,label,value", "an empty file"]),
    "csv, no header": ("csv", b"a.jpg,cat\n", ["line 1", "a header image,label", "'a.jpg,cat'"]),
    "csv, semicolons": ("csv", b"image;label\n", ["a header", "'image;label'", "separated by commas"]),
    "csv, column twice": ("csv", b"image,label,image\n", ["a header"]),
    "csv, header only": ("csv", b"image,label\n", ["at least one image", "empty list"]),
    "csv, no labels": ("csv", b"image,label\na.jpg,\n", ["at least one label", "class file"]),
    "csv, short row": ("csv", b"image,label\na.jpg,cat\nb.jpg\n", ["line 3", "2 columns", "got 1"]),
    "csv, bad value": ("csv", b"image,label,value\na.jpg,cat,yes\n", ["line 2", "1, 0 or -1", "'yes'"]),
    "csv, empty value": ("csv", b"image,label,value\na.jpg,cat,\n", ["line 2", "1, 0 or -1", "''"]),
    "csv, contradiction": (
        "csv",
        b"image,label,value\na.jpg,cat,1\nb.jpg,cat,1\na.jpg,cat,-1\n",
        ["line 4", "one value a label", "'cat' of 'a.jpg'", "keep the row that is right"],
    ),
    "csv, not UTF-8": ("csv", b"image,label\n\na.jpg,caf\xe9\n", ["line 3", "byte 0xe9 at byte 10", "as UTF-8"]),
    "csv, open quote": ("csv", b'image,label\na.jpg,cat\n"b.jpg,cat\nc.jpg,cat\n', ["line 3", "CSV with commas"]),
    "csv, stray quote": ("csv", b'image,label\n"a"b.jpg,cat\n', ["line 2", "CSV with commas", "double every quote"]),
    # wide CSV
    "csv-wide, empty": ("csv-wide", b"", ["line 1", "a header image,<class>", "an empty file"]),
    "csv-wide, no header": ("csv-wide", b"a.jpg,1,0\n", ["line 1", "a header image,<class>", "'a.jpg,1,0'"]),
    "csv-wide, no class": ("csv-wide", b"image\na.jpg\n", ["a header image,<class>"]),
    "csv-wide, class twice": ("csv-wide", b"image,cat, cat\n", ["every class name once", "'cat' in column 3"]),
    "csv-wide, nameless class": ("csv-wide", b"image,cat,\n", ["every class name once", "'' in column 3"]),
    "csv-wide, header only": ("csv-wide", b"image,cat\n", ["at least one image"]),
    "csv-wide, short row": ("csv-wide", b"image,cat,dog\na.jpg,1\n", ["line 2", "3 columns", "got 2"]),
    "csv-wide, probability": ("csv-wide", b"image,cat\na.jpg,0.7\n", ["line 2", "1, 0 or -1", "'0.7'"]),
    "csv-wide, duplicate image": ("csv-wide", b"image,cat\na.jpg,1\na.jpg,0\n", ["line 3", "first: line 2"]),
    "csv-wide, not UTF-8": ("csv-wide", b"image,cat\n\xff.jpg,1\n", ["line 2", "byte 0xff at byte 1"]),
    # COCO
    "coco, cut off": ("coco", coco()[:-40], ["line 1", "expected JSON", "cut off"]),
    "coco, trailing comma": ("coco", b'{"info": 1,\n "images": [],}', ["line 2", "expected JSON", "column 15"]),
    "coco, more than one value": ("coco", coco() + b"\n{}", ["line 2", "expected JSON", "Extra data"]),
    "coco, a list": ("coco", b"[]", ["expected JSON", "Expecting '{'"]),
    "coco, nested": ("coco", b'{"images": ' + b"[" * 200_000, ["nested too deeply"]),
    "coco, key twice": ("coco", b'{"images": [], "images": []}', ["every property name once"]),
    "coco, not UTF-8": ("coco", b'{"images":\n ["\xe4"]}', ["line 2", "byte 0xe4 at byte 4"]),
    "coco, no categories": ("coco", coco(categories=None), ["a list 'categories'", "COCO instances"]),
    "coco, annotations by image": ("coco", coco(annotations={}), ["a list 'annotations'"]),
    "coco, no images": ("coco", coco(images=[]), ["at least one image"]),
    "coco, empty categories": ("coco", coco(categories=[], annotations=[]), ["at least one category"]),
    "coco, unknown category": (
        "coco",
        coco(annotations=[{"image_id": 1, "category_id": 5}, {"image_id": 1, "category_id": 6}]),
        ["annotations[1]", "category_id of the 2 categories", "unknown id 6"],
    ),
    "coco, unknown image": (
        "coco",
        coco(annotations=[{"image_id": 2, "category_id": 5}]),
        ["annotations[0]", "an image_id of the images list", "got 2"],
    ),
    "coco, no category_id": ("coco", coco(annotations=[{"image_id": 1}]), ["annotations[0]", "'category_id'", "None"]),
    "coco, a number as annotation": ("coco", coco(annotations=[3]), ["annotations[0]", "'image_id'"]),
    "coco, no file_name": ("coco", coco(images=[{"id": 1}]), ["images[0]", "'file_name'"]),
    "coco, image id twice": (
        "coco",
        coco(images=[{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}]),
        ["images[1]", "every id once"],
    ),
    "coco, duplicate image": (
        "coco",
        coco(images=[{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "a.jpg"}]),
        ["images[1]", "every image once", "first: images[0]"],
    ),
    "coco, category name twice": (
        "coco",
        coco(categories=[{"id": 5, "name": "cat"}, {"id": 6, "name": "cat"}]),
        ["categories[1]", "every category name once"],
    ),
    "coco, a number without end": (
        "coco",
        b'{"images": [], "info": ' + b"9" * 5_000 + b"}",
        ["expected JSON", "integer"],
    ),
    "coco, half a surrogate": ("coco", coco(images=[{"id": 1, "file_name": "\ud800.jpg"}]), ["plain characters"]),
    # Pascal VOC
    "voc, cut off": ("voc", voc()[:-20], ["a.xml", "line 3", "well-formed XML", "cut off"]),
    "voc, entity bomb": ("voc", voc("&lol3;", head=BOMB), ["a.xml", "without entity definitions", "remove them"]),
    "voc, external entity": ("voc", voc("&x;", head=EXTERNAL), ["a.xml", "without entity definitions"]),
    "voc, no filename": ("voc", voc(""), ["a.xml", "a filename element"]),
    "voc, another document": ("voc", b"<html/>", ["a.xml", "a filename element", "Pascal VOC"]),
    "voc, nameless object": ("voc", voc(objects="<object>\n</object>"), ["a.xml", "line 3", "an object with a name"]),
    "voc, no object": ("voc", voc(objects=""), ["at least one label"]),
    "voc, not the declared encoding": (
        "voc",
        b'<?xml version="1.0" encoding="utf-8"?><a>\xe9</a>',
        ["well-formed XML"],
    ),
    "voc, unknown encoding": ("voc", b'<?xml version="1.0" encoding="klingon"?><a/>', ["a.xml", "line 1"]),
    "voc, UTF-16": ("voc", "<annotation/>".encode("utf-16"), ["a.xml", "UTF-8"]),
}

NAMES_THAT_LEAVE = ["../../etc/passwd", "/etc/passwd", "sub/../../x.jpg", "..", r"..\..\x.jpg", r"a\b.jpg", "C:/x.jpg"]


def write(format_name: str, content: bytes, folder: Path) -> Path:
    if format_name != "voc":
        path = folder / f"source{FORMATS[format_name].suffix}"
        path.write_bytes(content)
        return path
    (folder / "voc").mkdir()
    (folder / "voc" / "a.xml").write_bytes(content)
    return folder / "voc"


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
@pytest.mark.parametrize("format_name", ["list", "csv", "csv-wide", "coco", "voc"])
def test_an_image_name_that_leaves_the_image_folder_is_refused(format_name, name, tmp_path):
    content = {
        "list": f"{name},0\n".encode(),
        "csv": f"image,label\n{name},cat\n".encode(),
        "csv-wide": f"image,cat\n{name},1\n".encode(),
        "coco": coco(images=[{"id": 1, "file_name": name}]),
        "voc": voc(name),
    }[format_name]

    with pytest.raises(AnnotationError, match="which escapes the image folder"):
        FORMATS[format_name].read(write(format_name, content, tmp_path))


@pytest.mark.parametrize("name", ["\0.jpg", "a\0.jpg", "a\x1b[31m.jpg"])
def test_an_image_name_with_control_characters_is_refused(name, tmp_path):
    for format_name, content in (
        ("list", f"{name},0\n".encode()),
        ("csv", f"image,label\n{name},cat\n".encode()),
        ("coco", coco(images=[{"id": 1, "file_name": name}])),
    ):
        with pytest.raises(AnnotationError, match="an image name in plain characters") as caught:
            FORMATS[format_name].read(write(format_name, content, tmp_path))
        assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("name", ["", ".", "/", "./"])
def test_an_image_without_a_name_is_refused(name, tmp_path):
    with pytest.raises(AnnotationError, match="line 2: expected the name of an image"):
        FORMATS["list"].read(write("list", f"a.jpg,0\n{name},1\n".encode(), tmp_path))


def test_two_voc_files_of_one_image_are_refused(tmp_path):
    source = write("voc", voc(), tmp_path)
    (source / "b.xml").write_bytes(voc())

    with pytest.raises(AnnotationError, match=r"b\.xml: .* got 'a\.jpg' again \(first: a\.xml\)"):
        FORMATS["voc"].read(source)


def test_an_index_outside_the_class_file_is_named_with_line_and_k(tmp_path):
    classes = tmp_path / "classes.txt"
    classes.write_text("cat\ndog\n")
    source = write("list", b"a.jpg,0 1\nb.jpg,1 2\n", tmp_path)

    with pytest.raises(AnnotationError, match=r"source\.txt, line 2: .*class indices 0…1 \(K = 2\), got 2"):
        FORMATS["list"].read(source, classes=classes)


@pytest.mark.parametrize(
    ("format_name", "content", "record"),
    [
        ("csv", b"image,label\na.jpg,cat\nb.jpg,wolf\n", "line 3"),
        ("coco", coco(categories=[{"id": 5, "name": "cat"}, {"id": 6, "name": "wolf"}]), r"categories\[1\]"),
        ("voc", voc(objects="<object><name>wolf</name></object>"), "a.xml"),
    ],
)
def test_a_class_that_the_class_file_does_not_know_is_named(format_name, content, record, tmp_path):
    classes = tmp_path / "classes.txt"
    classes.write_text("cat\ndog\n")

    with pytest.raises(AnnotationError, match=f"{record}: expected one of the 2 class names.*'wolf'"):
        FORMATS[format_name].read(write(format_name, content, tmp_path), classes=classes)


@pytest.mark.parametrize("header", ["image,cat,wolf", "image,cat", "image,cat,dog,wolf"])
def test_columns_other_than_the_class_file_are_refused(header, tmp_path):
    classes = tmp_path / "classes.txt"
    classes.write_text("cat\ndog\n")
    source = write("csv-wide", f"{header}\n".encode(), tmp_path)

    with pytest.raises(AnnotationError, match=r"line 1: expected the same classes.* got '(dog|wolf)'"):
        FORMATS["csv-wide"].read(source, classes=classes)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "expected one class name a line, got an empty file"),
        (b"\n\n", "expected one class name a line, got an empty file"),
        (b"cat\n\ndog\n", "line 2: expected a class name, got an empty line"),
        (b"cat\ndog\n cat\n", r"line 3: expected every class name once, got 'cat' again \(first on line 1\)"),
        (b"cat\nd\xf6g\n", "line 2: expected UTF-8 text, got byte 0xf6"),
    ],
)
def test_a_wrong_class_file_is_refused(content, words, sample):
    sample.classes.write_bytes(content)

    with pytest.raises(AnnotationError, match=rf"classes\.txt(,|:) {words}"):
        sample.read()


def test_a_missing_class_file_is_named(sample):
    sample.classes.unlink()

    with pytest.raises(AnnotationError, match=r"classes\.txt, but nothing is there"):
        sample.read()
