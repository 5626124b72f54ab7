"""Label Studio's JSON export: a list of tasks with `data`, `annotations` and, of type `choices`, results in them.

A class is present where an annotation that was not cancelled chose it; regions and predictions are passed over. The
classes are those of the class file, or the choices that occur, sorted. Choices cannot say that a class is absent: a
verified negative is written as no choice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from labelmend_core.files import replacing
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.formats._changes import Change, changes_by_image, require_other_place, require_same_source
from labelmend_datasets.formats._collected import Collected
from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats._image_files import is_image
from labelmend_datasets.formats._json_stream import dumped, pieces_of_array
from labelmend_datasets.formats._source import fault, read_class_names, shown

LOCAL_FILES = "/data/local-files/"
_MEDIA = "/data/"
_KIND = "choices"


@dataclass
class _Control:
    """The names of the choices in the labelling interface."""

    from_name: str = "choice"
    to_name: str = "image"
    is_known: bool = False


def read(source: Path, *, classes: Path | None = None) -> AnnotatedDataset:
    """Return the images of a list of tasks, in its order, and their labels, 1 or 0.

    Args:
        source: the JSON file.
        classes: class names, one a line; without it the choices that occur, sorted.

    Raises:
        AnnotationError: the JSON is malformed, a task is, or two tasks have one image.
    """
    return _parse(source, None if classes is None else read_class_names(classes), _Control())


def write(source: Path, destination: Path, dataset: AnnotatedDataset, corrected: LabelMatrix) -> list[Path]:
    """Write the tasks with the corrected choices; an unchanged task is kept byte for byte, and all else of a changed.

    A class that goes is taken out of every annotation, one that comes goes into the first that has choices, or into
    a new annotation.

    Raises:
        AnnotationError: the source has changed since `dataset` was read.
        InputError: `destination` is the source.
    """
    require_other_place(source, destination)
    control = _Control()
    again = _parse(source, dataset.class_names, control)
    require_same_source(source, dataset, list(again.image_ids), again.given_labels)
    changes = changes_by_image(dataset.given_labels, corrected)
    with replacing(destination) as temporary, temporary.open("wb") as output:
        for number, task, text in pieces_of_array(source):
            cells = [one for one in changes.get(number, ()) if one.appears or one.vanishes]
            if cells and isinstance(task, dict):
                _change(task, cells, dataset.class_names, control)
                text = dumped(task, like=text)
            output.write(text.encode())
    return [destination]


@dataclass(frozen=True)
class Annotation:
    """What somebody submitted of a task.

    Attributes:
        choices: the classes that they chose.
        by: what they are called, first what a person would: a name, an e-mail address, a number.
        at: when they did, None where the file does not say it.
    """

    choices: tuple[str, ...]
    by: tuple[str, ...]
    at: datetime | None


def annotated_tasks(source: Path) -> Iterator[tuple[int, Mapping[str, object], list[Annotation]]]:
    """Yield each task of an export: its number (from 1), its data, and what was submitted and not cancelled.

    Raises:
        AnnotationError: the file cannot be read, is no JSON list of tasks, or a choice is malformed.
    """
    for number, task, _ in pieces_of_array(source):
        if number < 0:
            continue
        record = f"task {number + 1}"
        data = task.get("data") if isinstance(task, dict) else None
        if not isinstance(task, dict) or not isinstance(data, dict):
            cure = "is this Label Studio's JSON export, and not JSON-MIN?"
            raise fault(source, record, "a task with data", shown(task), cure)
        submitted = []
        for annotation in _annotations(task):
            results = _of_choices(annotation)
            choices = tuple(choice for result in results for choice in _choices(result, source, record))
            submitted.append(Annotation(choices, _names(annotation.get("completed_by")), _time(annotation)))
        yield number + 1, data, submitted


def _names(completed_by: object) -> tuple[str, ...]:
    """Return what an annotator is called, who is a number or an object in an export.

    Example:
        >>> _names(7), _names({"id": 7, "email": "ann@example.org", "first_name": "Ann", "last_name": ""})
        (('7',), ('Ann', 'ann@example.org', '7'))
    """
    if not isinstance(completed_by, dict):
        return () if completed_by is None else (str(completed_by),)
    full = " ".join(str(completed_by.get(part) or "") for part in ("first_name", "last_name")).strip()
    others = [str(completed_by.get(key) or "") for key in ("email", "username", "id")]
    return tuple(name for name in (full, *others) if name)


def _time(annotation: Mapping[str, object]) -> datetime | None:
    """Return when an annotation was last changed, in UTC."""
    for key in ("updated_at", "created_at"):
        try:
            found = datetime.fromisoformat(str(annotation.get(key)))
        except ValueError:
            continue
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return None


def image_of(task: Mapping[str, object]) -> str | None:
    """Return where the image of a task lies: what `image` or the first other image in its data refers to.

    Example:
        >>> image_of({"data": {"image": "/data/local-files/?d=photos/a%20b.jpg"}})
        'photos/a b.jpg'
        >>> image_of({"data": {"picture": "s3://bucket/photos/a.jpg"}})
        'photos/a.jpg'
        >>> image_of({"data": {"image": "/data/upload/3/4f2a-a.jpg"}})
        'upload/3/4f2a-a.jpg'
    """
    data = task.get("data")
    if not isinstance(data, dict):
        return None
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    first = next((value for value in texts.values() if is_image(value.partition("?d=")[2] or value)), None)
    reference = texts.get("image", first)
    return None if reference is None else _path(reference)


def _path(reference: str) -> str:
    if reference.startswith(LOCAL_FILES):
        return parse_qs(urlsplit(reference).query).get("d", [""])[0]
    if reference.startswith(_MEDIA):
        return unquote(reference.removeprefix(_MEDIA))
    if "://" in reference:
        return unquote(urlsplit(reference).path).removeprefix("/")
    return reference


def _parse(source: Path, class_names: Sequence[str] | None, control: _Control) -> AnnotatedDataset:
    collected = Collected(source, class_names)
    for number, task, _ in pieces_of_array(source):
        if number < 0:
            continue
        record = f"task {number + 1}"
        image = image_of(task) if isinstance(task, dict) else None
        if image is None or not isinstance(task, dict):
            cure = "is this Label Studio's JSON export, with the key image in data?"
            raise fault(source, record, "a task with an image in its data", shown(task), cure)
        present = []
        for result in _results(task):
            if not control.is_known:
                control.from_name, control.to_name = (
                    str(result.get(key, getattr(control, key))) for key in ("from_name", "to_name")
                )
                control.is_known = True
            present += _choices(result, source, record)
        collected.add(image, present, record)
    return collected.dataset()


def _annotations(task: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Yield the annotations that count."""
    annotations = task.get("annotations")
    for annotation in annotations if isinstance(annotations, list) else ():
        if isinstance(annotation, dict) and not annotation.get("was_cancelled"):
            yield annotation


def _results(task: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Yield the choices of the annotations that count."""
    for annotation in _annotations(task):
        yield from _of_choices(annotation)


def _of_choices(annotation: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Yield the choices of one annotation."""
    results = annotation.get("result")
    for result in results if isinstance(results, list) else ():
        if isinstance(result, dict) and result.get("type") == _KIND:
            yield result


def _choices(result: Mapping[str, object], source: Path, record: str) -> list[str]:
    value = result.get("value")
    choices = value.get(_KIND) if isinstance(value, dict) else None
    if isinstance(choices, list) and all(isinstance(choice, str) and choice for choice in choices):
        return choices
    cure = "is this Label Studio's JSON export?"
    raise fault(source, record, "a list of choices in a result of type choices", shown(value), cure)


def _change(task: dict[str, object], cells: list[Change], class_names: Sequence[str], control: _Control) -> None:
    """Take choices out of a task, and put others in."""
    gone = {class_names[cell.class_index] for cell in cells if cell.vanishes}
    come: list[str] = [class_names[cell.class_index] for cell in cells if cell.appears]
    for result in _results(task):
        value = result["value"]
        if isinstance(value, dict):
            value[_KIND] = [choice for choice in value[_KIND] if choice not in gone] + come
            come = []
    for annotation in _annotations(task):
        results = annotation.get("result")
        if isinstance(results, list):
            annotation["result"] = [one for one in results if not _is_empty(one)]
    if come:
        new = {
            "from_name": control.from_name,
            "to_name": control.to_name,
            "type": _KIND,
            "value": {_KIND: come},
        }
        annotations = task.setdefault("annotations", [])
        if isinstance(annotations, list):
            annotations.append({"result": [new]})


def _is_empty(result: object) -> bool:
    if not isinstance(result, dict) or result.get("type") != _KIND:
        return False
    value = result.get("value")
    return isinstance(value, dict) and not value.get(_KIND)


LABEL_STUDIO = AnnotationFormat(
    name="label-studio",
    title="Label Studio (JSON, choices)",
    description="A JSON list of tasks with data and annotations; a class is present where it was chosen.",
    read=read,
    write=write,
    suffix=".json",
)
