"""Reading what others wrote: lines with their numbers, class names, and what to say when they are wrong."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from labelmend_core.errors import AnnotationError

UTF8_BOM = b"\xef\xbb\xbf"
# Without a class file the largest index alone sets K; a slip of the pen must not make a billion class names.
LARGEST_UNNAMED = 99_999
_SHOWN_CHARACTERS = 80


def fault(source: Path, record: str, expected: str, got: str, cure: str) -> AnnotationError:
    """Return the error of one record: what was expected, what came, in which file and record, the likely cure."""
    end = "" if cure.endswith("?") else "."
    return AnnotationError(f"{source}, {record}: expected {expected}, got {got}; {cure}{end}")


def shown(value: object) -> str:
    """Return a value of an annotation file as it may stand in a message: quoted, on one line, not endless."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


@contextmanager
def readable(source: Path) -> Iterator[None]:
    """Turn a missing, forbidden or wrong kind of file into an `AnnotationError` that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise AnnotationError(f"Expected annotations at {source}, but nothing is there; is the path right?") from error
    except (IsADirectoryError, NotADirectoryError) as error:
        kind = "a folder" if source.is_dir() else "a file"
        raise AnnotationError(f"{source} is {kind}; does the format that you chose read that?") from error
    except PermissionError as error:
        raise AnnotationError(f"Expected to be able to read {source}, but permission is denied.") from error


def read_lines(source: Path) -> Iterator[tuple[int, bytes, str]]:
    """Yield number (from 1), bytes and text of every line of a UTF-8 file; the text leaves out a byte order mark.

    Raises:
        AnnotationError: the file cannot be read, or a byte is not UTF-8.
    """
    with readable(source), source.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            body = raw.removeprefix(UTF8_BOM) if number == 1 else raw
            yield number, raw, decoded(body, source, number)


def decoded(raw: bytes, source: Path, first_line: int = 1) -> str:
    """Return UTF-8 bytes as text, or name the line and the byte that are not."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + raw.count(b"\n", 0, error.start)
        column = error.start - raw.rfind(b"\n", 0, error.start)
        got = f"byte 0x{raw[error.start]:02x} at byte {column} of the line"
        raise fault(source, f"line {line}", "UTF-8 text", got, "save the file as UTF-8") from error


def read_class_names(path: Path) -> list[str]:
    """Return the class names of a side file: one a line, the first line is class index 0.

    Raises:
        AnnotationError: a name is empty or repeated, or the file holds none.
    """
    names = [text.strip() for _, _, text in read_lines(path)]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise AnnotationError(f"{path}: expected one class name a line, got an empty file.")
    first_line: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            raise fault(path, f"line {number}", "a class name", "an empty line", "remove the line")
        if name in first_line:
            got = f"{shown(name)} again (first on line {first_line[name]})"
            raise fault(path, f"line {number}", "every class name once", got, "remove or rename one of them")
        first_line[name] = number
    return names


def class_index(name: str, indices: Mapping[str, int], source: Path, record: str) -> int:
    """Return the index of a class that a record names, or say that the class file does not know it."""
    if name not in indices:
        expected = f"one of the {len(indices)} class names of the class file"
        raise fault(source, record, expected, shown(name), "add it to the class file or mend the spelling")
    return indices[name]
