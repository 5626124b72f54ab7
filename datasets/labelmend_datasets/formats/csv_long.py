"""CSV with one label a row: a header `image,label` or `image,label,value`; other columns are kept.

`value` is 1 present, -1 absent because somebody looked, 0 unobserved; without the column every row means present.
An image without a label may be listed with an empty label. The classes are those of the class file, or the labels
that occur, sorted by name. A file without a value column cannot say that a class is absent: a verified negative is
written as no label.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from labelmend_core.files import replacing
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._changes import Change, changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._csv_records import (
    Record,
    line_ending,
    read_records,
    require_names_for_csv,
    same_length,
    value_like,
    value_of,
    with_fields,
    with_only,
    write_rows,
)
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._image_index import ImageIndex
from labelmend_datasets.formats._source import class_index, fault, read_class_names, shown

_NO_LABEL = -1


@dataclass(frozen=True)
class _Columns:
    """Where the header puts image, label and, if at all, value."""

    image: int
    label: int
    value: int | None


@dataclass
class _Rows:
    """The file, parsed: the line, image, class (or none) and value of every row."""

    images: ImageIndex
    columns: _Columns
    class_names: Sequence[str] = ()
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    image_of: "array[int]" = field(default_factory=lambda: array("q"))
    class_of: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[int]" = field(default_factory=lambda: array("b"))


@dataclass
class _Edit:
    """What happens to one row: a new label or value, its removal, labels with values in new rows after it."""

    label: str | None = None
    value: int | None = None
    removed: bool = False
    new: list[tuple[str, int]] = field(default_factory=list)


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a long CSV file, in the order of their first row, and their tri-state labels.

    Args:
        source: the CSV file, UTF-8, commas.
        classes: class names, one a line; without it the labels that occur, sorted by name.

    Raises:
        AnnotationError: the header is another one, or a row is malformed, contradicts another or has an unknown label.
    """
    rows = _parse(source, None if classes is None else read_class_names(classes))
    return AnnotatedDataset(rows.images.image_ids, rows.images.paths, rows.class_names, _labels(rows, source))


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the CSV file with the corrected labels; every row of an unchanged cell is kept byte for byte.

    With a value column a label that goes is set to -1 or 0 in place; without one its row goes, and an image's last
    row stays with an empty label. A label that comes gets a row after its image's last one.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source.
    """
    require_other_place(source, destination)
    rows = _parse(source, dataset.class_names)
    given = _labels(rows, source)
    require_same_source(source, dataset, rows.images.image_ids, given)
    edits = _planned(rows, changes_by_image(given, corrected))
    with replacing(destination) as temporary, temporary.open("wb") as output:
        row, ending = -2, b""  # the header is row -1
        for record in read_records(source):
            row += bool(record.fields)
            ending = ending or line_ending(record.raw)
            edit = edits.get(row) if record.fields else None
            output.write(_edited(record, edit, rows.columns, ending) if edit else record.raw)
    return [destination]


def create(destination: Path, dataset: AnnotatedDataset) -> None:
    """Write a new CSV file with a value column: a row for every observed cell, and for an image without any.

    A class that no row names is only known from a class file; without one the classes are read sorted by name.

    Raises:
        InputError: a class name begins or ends with space.
    """
    require_names_for_csv(dataset.class_names)
    images, classes, values = (cells.tolist() for cells in dataset.given_labels.cells())
    own: dict[int, list[tuple[str, int]]] = {}
    for image, k, value in zip(images, classes, values, strict=True):
        own.setdefault(image, []).append((dataset.class_names[k], value))
    rows = ((name, *cell) for i, name in enumerate(dataset.image_ids) for cell in own.get(i, [("", "")]))
    write_rows(destination, chain([("image", "label", "value")], rows))


def holds_absent(source: Path) -> bool:
    """Return whether a file has a value column, which alone can say that a class is absent."""
    header = next((record.fields for record in read_records(source) if record.fields), [])
    columns = columns_of(header)
    return columns is not None and columns.value is not None


def columns_of(header: Sequence[str]) -> _Columns | None:
    """Return where a header puts image, label and value, or nothing if it is not one of this format."""
    names = [name.strip().lower() for name in header]
    if len(set(names)) != len(names) or not {"image", "label"} <= set(names):
        return None
    return _Columns(names.index("image"), names.index("label"), names.index("value") if "value" in names else None)


def _parse(source: Path, class_names: Sequence[str] | None) -> _Rows:
    records = (record for record in read_records(source) if record.fields)
    header = next(records, None)
    columns = columns_of(header.fields) if header else None
    if header is None or columns is None:
        got = shown(",".join(header.fields)) if header else "an empty file"
        cure = "name the columns in the first line, separated by commas"
        raise fault(source, "line 1", "a header image,label or image,label,value", got, cure)
    rows = _Rows(ImageIndex(source), columns)
    indices = {name: index for index, name in enumerate(class_names or ())}
    for record in records:
        same_length(record, header, source)
        label = record.fields[columns.label].strip()
        if label and class_names is None:
            indices.setdefault(label, len(indices))
        rows.lines.append(record.line)
        rows.image_of.append(rows.images.add_or_find(record.fields[columns.image], record.place))
        rows.class_of.append(class_index(label, indices, source, record.place) if label else _NO_LABEL)
        value = "1" if columns.value is None or not label else record.fields[columns.value]
        rows.values.append(value_of(value, source, record))
    rows.images.require_some()
    if not indices:
        raise fault(source, "every line", "at least one label", "none", "give a class file if there is none yet")
    rows.class_names = class_names or sorted(indices)
    if class_names is None:
        rank = {indices[name]: index for index, name in enumerate(rows.class_names)} | {_NO_LABEL: _NO_LABEL}
        rows.class_of = array("q", (rank[index] for index in rows.class_of))
    return rows


def _labels(rows: _Rows, source: Path) -> LabelMatrix:
    """Return the tri-state labels; two rows may repeat a cell but not contradict each other."""
    images, classes, values = np.array(rows.image_of), np.array(rows.class_of), np.array(rows.values)
    labelled = np.flatnonzero(classes != _NO_LABEL)
    keys = images[labelled] * len(rows.class_names) + classes[labelled]
    order = labelled[np.argsort(keys, kind="stable")]
    contradicts = (np.diff(np.sort(keys)) == 0) & (np.diff(values[order]) != 0)
    if contradicts.any():
        row = order[1:][contradicts][0]
        image, name = rows.images.image_ids[images[row]], rows.class_names[classes[row]]
        got = f"a second, different one for {shown(name)} of {shown(image)}"
        raise fault(source, f"line {rows.lines[row]}", "one value a label", got, "keep the row that is right")
    shape = len(rows.images.image_ids), len(rows.class_names)
    return LabelMatrix.from_cells(images[labelled], classes[labelled], values[labelled], shape)


def _planned(rows: _Rows, changes: dict[int, list[Change]]) -> dict[int, _Edit]:
    """Return the edit of every row of the images that change."""
    own: dict[int, list[int]] = {image: [] for image in changes}
    for row, image in enumerate(rows.image_of):
        if image in own:
            own[image].append(row)
    edits: dict[int, _Edit] = {}
    for image, cells in changes.items():
        edits |= _planned_image(rows, own[image], cells)
    return edits


def _planned_image(rows: _Rows, own: list[int], cells: list[Change]) -> dict[int, _Edit]:
    edits = {row: _Edit() for row in own}
    last = edits[own[-1]]
    has_values = rows.columns.value is not None
    for change in cells:
        held = [edits[row] for row in own if rows.class_of[row] == change.class_index]
        for edit in held:
            edit.value, edit.removed = change.after, not has_values
        if not held and (change.appears or has_values):
            last.new.append((rows.class_names[change.class_index], change.after))
    unlabelled = [edits[row] for row in own if rows.class_of[row] == _NO_LABEL]
    if last.new and unlabelled:
        unlabelled[0].label, unlabelled[0].value = last.new.pop(0)
    if not last.new and all(edit.removed for edit in edits.values()):
        last.removed, last.label = False, ""  # the image stays listed
    return edits


def _edited(record: Record, edit: _Edit, columns: _Columns, ending: bytes) -> bytes:
    """Return the bytes that stand in the place of one row; `ending` separates rows after one that has none."""
    fields = {} if edit.label is None else {columns.label: edit.label}
    if columns.value is not None and edit.value is not None:
        fields[columns.value] = value_like(edit.value, record.fields[columns.value])
    rows = [] if edit.removed else [with_fields(record, fields)]
    for label, value in edit.new:
        new = {columns.label: label} | ({} if columns.value is None else {columns.value: str(value)})
        rows.append(with_only(record, {columns.image}, new))
    return (b"" if line_ending(record.raw) else ending).join(rows)


CSV = AnnotationFormat(
    name="csv",
    title="CSV, one label a row",
    description="A header image,label or image,label,value; value is 1 present, -1 verified absent, 0 unobserved.",
    read=read,
    write=write,
    suffix=".csv",
    holds_absent=holds_absent,
    create=create,
)
