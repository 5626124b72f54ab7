"""Which format a file or a folder is in, told by what is in it, and why it is in none."""

import csv
import mmap
import re
from collections.abc import Sequence
from pathlib import Path

from labelmend_core.errors import AnnotationError
from labelmend_datasets.formats import (
    csv_long,
    csv_wide,
    hugging_face,
    hugging_face_parquet,
    image_folder,
    nus_wide,
    open_images,
    parquet_long,
    parquet_wide,
    yolo,
)
from labelmend_datasets.formats._parquet import schema_of
from labelmend_datasets.formats._registry import FORMATS
from labelmend_datasets.formats._source import readable, shown

_HEAD_BYTES = 1 << 20
_LIST_LINE = re.compile(r".+,[ \t0-9]*")
_PARQUET_MAGIC = b"PAR1"
_BOX = re.compile(rb'"(bbox|segmentation|keypoints)"\s*:')
_CATEGORY = re.compile(rb'"category_id"\s*:')
_COCO_KEY = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')
_LISTED = re.compile(r'\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\[\s*[\]0-9]')


def recognise(source: Path) -> str:
    """Return the name of the format that `source` is in, told by its content.

    Raises:
        AnnotationError: nothing is there, or it is in none of the formats, with the reason.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "train.txt"
        >>> _ = path.write_text("a.jpg,0 2\\n")
        >>> recognise(path)
        'list'
    """
    with readable(source):
        found, reason = _of_folder(source) if source.is_dir() else _of_file(source)
    if found:
        return found
    known = "; ".join(f"{one.name}: {one.description}" for one in FORMATS.values())
    raise AnnotationError(f"Expected {source} to be in one of the formats, but it looks like none: {reason}. {known}")


def _of_folder(source: Path) -> tuple[str, str]:
    names = [path.name for path in source.iterdir()]
    if any(name.lower().endswith(".xml") for name in names):
        return "voc", ""
    if any(name.lower().endswith(yolo.CONFIG_SUFFIXES) for name in names):
        return "yolo", ""
    if nus_wide.is_nus_wide(source):
        return "nus-wide", ""
    if image_folder.is_image_folder(source):
        return "image-folder", ""
    inside = "nothing is in it" if not names else f"in it are {shown(', '.join(sorted(names)[:3]))}"
    return "", f"it is a folder without XML files, data.yaml, an Imagelist.txt or folders of images; {inside}"


def _of_file(source: Path) -> tuple[str, str]:
    with source.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(_PARQUET_MAGIC):
        return _of_parquet(source)
    text = head.decode("utf-8-sig", errors="replace")
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if not first:
        return "", "it is empty"
    if first.startswith("<"):
        is_cvat = re.search(r"<annotations[\s>]", text) is not None
        return ("cvat", "") if is_cvat else ("", "it is XML, but no CVAT annotations; for Pascal VOC name the folder")
    if first.startswith("[") and re.match(r"\[\s*[{\]]", text):
        return "label-studio", ""
    if first.startswith("{"):
        return _of_json_object(source, text, first)
    if source.suffix.lower() == ".json":
        return "coco", ""  # whose reader says what is wrong with it
    if source.suffix.lower() in (".csv", ".tsv"):
        return _of_csv(first)
    if _LIST_LINE.fullmatch(first):
        return "list", ""
    return (
        "",
        f"its first line is {shown(first)}, which is neither name.jpg,i j k nor the start of JSON, XML or Parquet",
    )


def _of_json_object(source: Path, text: str, first: str) -> tuple[str, str]:
    if hugging_face.is_line(first):
        return "hf-jsonl", ""
    if source.suffix.lower() == ".jsonl":
        keys = ", ".join(hugging_face.LABEL_KEYS)
        return "", f"its first line is no JSON object with {hugging_face.FILE_NAME!r} and a list in one of {keys}"
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if _COCO_KEY.search(content):
            is_of_images = _CATEGORY.search(content) and not _BOX.search(content)
            return ("coco-image" if is_of_images else "coco"), ""
    if _LISTED.match(text):
        return "vg500", ""
    return "coco", ""  # whose reader says what is wrong with it


def _of_csv(first: str) -> tuple[str, str]:
    header = next(csv.reader([first]), [])
    if csv_long.columns_of(header):
        return "csv", ""
    if open_images.columns_of(header):
        return "open-images", ""
    if csv_wide.is_header(header):
        return "csv-wide", ""
    cure = "; are its columns separated by commas?" if len(header) < 2 else ""
    return "", f"its first line {shown(first)} is no header image,label or image,<class>,… or ImageID,LabelName,…{cure}"


def _of_parquet(source: Path) -> tuple[str, str]:
    schema = schema_of(source)
    names: Sequence[str] = schema.names
    if hugging_face_parquet.columns_of(schema):
        return "hf-parquet", ""
    if parquet_long.columns_of(schema):
        return "parquet", ""
    if parquet_wide.is_wide(schema):
        return "parquet-wide", ""
    columns = shown(", ".join(names))
    return (
        "",
        f"it is Parquet with the columns {columns}, not image and label, image and classes, or a list of ClassLabel",
    )
