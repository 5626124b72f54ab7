"""Annotations of many images in every format, made up and written line by line: three labels an image."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

N_CLASSES, PER_IMAGE = 80, 3
NAMES = [f"class {k:02d}" for k in range(N_CLASSES)]
_BLOCK = 100_000  # images of which the labels are drawn, and rows of Parquet written, at once
Image = tuple[str, list[int]]


def images(n: int) -> Iterator[Image]:
    """Yield names of images and three classes each, the same every time."""
    rng = np.random.default_rng(0)
    for start in range(0, n, _BLOCK):
        size = min(_BLOCK, n - start)
        gaps = rng.integers(1, N_CLASSES // PER_IMAGE, (size, PER_IMAGE)).cumsum(axis=1)
        classes = np.sort((rng.integers(0, N_CLASSES, (size, 1)) + gaps) % N_CLASSES, axis=1)
        for i, own in enumerate(classes.tolist(), start=start):
            yield f"{i:012d}.jpg", own


def _list(path: Path, n: int) -> None:
    _lines(path, (f"{name},{' '.join(map(str, own))}\n" for name, own in images(n)))


def _csv(path: Path, n: int) -> None:
    rows = (f"{name},{NAMES[k]}\n" for name, own in images(n) for k in own)
    _lines(path, _after("image,label\n", rows))


def _csv_wide(path: Path, n: int) -> None:
    def row(own: list[int]) -> str:
        cells = ["0"] * N_CLASSES
        for k in own:
            cells[k] = "1"
        return ",".join(cells)

    _lines(path, _after(f"image,{','.join(NAMES)}\n", (f"{name},{row(own)}\n" for name, own in images(n))))


def _parquet(path: Path, n: int) -> None:
    def table(block: list[Image]) -> pa.Table:
        rows = [(name, NAMES[k]) for name, own in block for k in own]
        return pa.table({"image": [name for name, _ in rows], "label": [label for _, label in rows]})

    _tables(path, n, table)


def _parquet_wide(path: Path, n: int) -> None:
    def table(block: list[Image]) -> pa.Table:
        cells = np.zeros((len(block), N_CLASSES), dtype=np.int8)
        np.put_along_axis(cells, np.array([own for _, own in block]), 1, axis=1)
        columns = {name: cells[:, k].copy() for k, name in enumerate(NAMES)}
        return pa.table({"image": [name for name, _ in block], **columns})

    _tables(path, n, table)


def _coco(path: Path, n: int) -> None:
    _lines(path, _coco_document(n, '"bbox": [10.5, 20.25, 100.0, 50.75], "area": 5075.0, "iscrowd": 0, '))


def _coco_image(path: Path, n: int) -> None:
    _lines(path, _coco_document(n, ""))


def _coco_document(n: int, box: str) -> Iterator[str]:
    yield '{"info": {"year": 2026}, "images": ['
    for i, (name, _) in enumerate(images(n)):
        yield f'{", " if i else ""}{{"id": {i}, "file_name": "{name}", "width": 640, "height": 480}}'
    categories = json.dumps([{"id": k + 1, "name": name} for k, name in enumerate(NAMES)])
    yield f'], "categories": {categories}, "annotations": ['
    for i, (_, own) in enumerate(images(n)):
        for place, k in enumerate(own):
            number = i * PER_IMAGE + place
            yield f'{", " if number else ""}{{{box}"id": {number}, "image_id": {i}, "category_id": {k + 1}}}'
    yield "]}\n"


def _voc(path: Path, n: int) -> None:
    path.mkdir()
    for name, own in images(n):
        objects = "".join(
            f"<object><name>{NAMES[k]}</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"
            "</object>\n"
            for k in own
        )
        text = f"<annotation>\n<filename>{name}</filename>\n{objects}</annotation>\n"
        (path / name).with_suffix(".xml").write_text(text, encoding="utf-8")


def _yolo(path: Path, n: int) -> None:
    for folder in ("images", "labels"):
        (path / folder).mkdir(parents=True)
    listed = "".join(f"  {k}: {name}\n" for k, name in enumerate(NAMES))
    (path / "data.yaml").write_text(f"train: images\nnames:\n{listed}", encoding="utf-8")
    for name, own in images(n):
        (path / "images" / name).touch()
        boxes = "".join(f"{k} 0.5 0.5 0.25 0.125\n" for k in own)
        (path / "labels" / name).with_suffix(".txt").write_text(boxes, encoding="utf-8")


def _open_images(path: Path, n: int) -> None:
    rows = (f"{name[:-4]},verification,/m/0{k:02d},1\n" for name, own in images(n) for k in own)
    _lines(path, _after("ImageID,Source,LabelName,Confidence\n", rows))


def _nus_wide(path: Path, n: int) -> None:
    labels = path / "Groundtruth" / "TrainTestLabels"
    for folder in (labels, path / "ImageList", path / "ConceptsList"):
        folder.mkdir(parents=True)
    names = [f"class{k:02d}" for k in range(N_CLASSES)]
    _lines(path / "ConceptsList" / "Concepts81.txt", (f"{name}\n" for name in names))
    _lines(path / "ImageList" / "TrainImagelist.txt", (f"{name}\n" for name, _ in images(n)))
    present = np.zeros((n, N_CLASSES), dtype=np.uint8)
    for i, (_, own) in enumerate(images(n)):
        present[i, own] = 1
    for k, name in enumerate(names):
        _lines(labels / f"Labels_{name}_Train.txt", (f"{one}\n" for one in present[:, k].tolist()))


def _vg500(path: Path, n: int) -> None:
    records = (f'{", " if i else "{"}"{name}": {own}' for i, (name, own) in enumerate(images(n)))
    _lines(path, _and_then(records, "}\n"))


def _image_folder(path: Path, n: int) -> None:
    for name in NAMES:
        (path / name).mkdir(parents=True)
    for name, own in images(n):
        (path / NAMES[own[0]] / name).touch()


def _label_studio(path: Path, n: int) -> None:
    def task(i: int, name: str, own: list[int]) -> str:
        choices = {"from_name": "choice", "to_name": "image", "type": "choices"}
        result = choices | {"id": f"q{i}", "value": {"choices": [NAMES[k] for k in own]}}
        annotation = {"id": i, "completed_by": 1, "was_cancelled": False, "result": [result]}
        return json.dumps(
            {"id": i, "data": {"image": f"/data/local-files/?d={name}"}, "annotations": [annotation], "predictions": []}
        )

    tasks = (f"{', ' if i else '['}{task(i, *image)}" for i, image in enumerate(images(n)))
    _lines(path, _and_then(tasks, "]\n"))


def _cvat(path: Path, n: int) -> None:
    labels = "".join(f"<label><name>{name}</name></label>" for name in NAMES)
    head = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><meta><task><labels>{labels}</labels></task></meta>\n'

    def image(i: int, name: str, own: list[int]) -> str:
        tags = "".join(f'    <tag label="{NAMES[k]}" source="manual"></tag>\n' for k in own)
        return f'  <image id="{i}" name="{name}" width="640" height="480">\n{tags}  </image>\n'

    elements = (image(i, *one) for i, one in enumerate(images(n)))
    _lines(path, _and_then(_after(head, elements), "</annotations>\n"))


def _hf_jsonl(path: Path, n: int) -> None:
    lines = (json.dumps({"file_name": name, "labels": [NAMES[k] for k in own]}) for name, own in images(n))
    _lines(path, (f"{line}\n" for line in lines))


def _hf_parquet(path: Path, n: int) -> None:
    label = {"names": NAMES, "_type": "ClassLabel"}
    features = {"image": {"_type": "Image"}, "labels": {"feature": label, "_type": "List"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}

    def table(block: list[Image]) -> pa.Table:
        pictures = [{"bytes": None, "path": name} for name, _ in block]
        image = pa.array(pictures, type=pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
        labels = pa.array([own for _, own in block], type=pa.list_(pa.int64()))
        return pa.table({"image": image, "labels": labels}, metadata=metadata)

    _tables(path, n, table)


def _after(head: str, rows: Iterator[str]) -> Iterator[str]:
    yield head
    yield from rows


def _and_then(rows: Iterator[str], tail: str) -> Iterator[str]:
    yield from rows
    yield tail


def _lines(path: Path, lines: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(lines)


def _tables(path: Path, n: int, table: Callable[[list[Image]], pa.Table]) -> None:
    writer, block = None, []
    for i, image in enumerate(images(n), start=1):
        block.append(image)
        if i % _BLOCK == 0 or i == n:
            made = table(block)
            writer = writer or pq.ParquetWriter(path, made.schema)
            writer.write_table(made)
            block = []
    if writer is not None:
        writer.close()


SOURCES: dict[str, Callable[[Path, int], None]] = {
    "list": _list,
    "csv": _csv,
    "csv-wide": _csv_wide,
    "parquet": _parquet,
    "parquet-wide": _parquet_wide,
    "coco": _coco,
    "coco-image": _coco_image,
    "voc": _voc,
    "yolo": _yolo,
    "open-images": _open_images,
    "nus-wide": _nus_wide,
    "vg500": _vg500,
    "image-folder": _image_folder,
    "label-studio": _label_studio,
    "cvat": _cvat,
    "hf-jsonl": _hf_jsonl,
    "hf-parquet": _hf_parquet,
}
