"""JSON of any length, of which only a part is in memory: an array or an object, one element at a time."""

import codecs
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from typing import BinaryIO, NamedTuple

from labelmend_core.errors import AnnotationError
from labelmend_datasets.formats._source import fault, readable

_CHUNK = 1 << 20
_NEAR = 64  # characters before the end within which an error may be a value that is cut in two
_decode = json.JSONDecoder().raw_decode
_space = re.compile(r"[ \t\r\n]*")


class Piece(NamedTuple):
    """Some text of the file: an element with its number (from 0) and value, or what stands between two (-1)."""

    number: int
    value: object
    text: str


def pieces_of_array(source: Path) -> Iterator[Piece]:
    """Yield a file that is one JSON array in pieces; their texts together are the file.

    Raises:
        AnnotationError: it cannot be read, is not UTF-8, or is something else than one JSON array.
    """
    with fed(source, "a JSON array") as feed:
        yield from _pieces(feed)


@contextmanager
def fed(source: Path, what: str) -> Iterator["Feed"]:
    """Give a file as JSON that is read bit by bit.

    Args:
        source: the file.
        what: it should be, for messages.

    Raises:
        AnnotationError: it cannot be read, or is not UTF-8 or not JSON, now or while it is read.
    """
    try:
        with readable(source), source.open("rb") as file:
            yield Feed(file, source)
    except JSONDecodeError as error:
        got = f"an error at column {error.colno} ({error.msg})"
        raise fault(source, f"line {error.lineno}", "JSON", got, "was the file cut off or edited by hand?") from error
    except RecursionError as error:
        raise AnnotationError(f"{source}: expected {what}, got JSON that is nested too deeply.") from error


def dumped(value: object, like: str) -> str:
    """Return a value as JSON on one line, with characters escaped where `like`, the text that it replaces, does."""
    text = json.dumps(value, ensure_ascii=like.isascii())
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return json.dumps(value)
    return text


def _pieces(feed: "Feed") -> Iterator[Piece]:
    feed.expect("[")
    number = 0
    going_on = feed.peek() != "]"
    while going_on:
        yield Piece(-1, None, feed.taken())
        value = feed.value()
        yield Piece(number, value, feed.taken())
        number += 1
        going_on = feed.peek() != "]"
        if going_on:
            feed.expect(",")
            feed.peek()
    feed.expect("]")
    if feed.peek():
        raise feed.error("Extra data")
    yield Piece(-1, None, feed.taken())


class Feed:
    """A place in a JSON text of which only a part is in memory.

    Args:
        file: of UTF-8, read from here to its end.
        source: for messages.
    """

    def __init__(self, file: BinaryIO, source: Path) -> None:
        self._file, self._source = file, source
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text, self._start, self._position = "", 0, 0
        # Of what was forgotten: lines, and what of the last line, in characters and in bytes.
        self._lines, self._columns, self._line_bytes = 0, 0, 0
        self._counted, self._bytes = 0, 0  # a place in the text, and the same in the file
        self._more()
        self._position = int(self._text.startswith("\ufeff"))  # after a byte order mark

    @property
    def place(self) -> int:
        """How many bytes of the file stand before this place."""
        between = self._text[self._counted : self._position]
        self._bytes += len(between) if between.isascii() else len(between.encode())
        self._counted = self._position
        return self._bytes

    def error(self, message: str) -> JSONDecodeError:
        """Return an error at this place."""
        return self._placed(JSONDecodeError(message, self._text, self._position))

    def taken(self) -> str:
        """Return the text since the last call."""
        text = self._text[self._start : self._position]
        self._start = self._position
        return text

    def forget(self) -> None:
        """Hold no text before this place any longer."""
        self._start = self._position

    def peek(self) -> str:
        """Return the next character that is no space, or nothing at the end."""
        while True:
            space = _space.match(self._text, self._position)
            self._position = space.end() if space else self._position
            if self._position < len(self._text) or not self._more():
                return self._text[self._position : self._position + 1]

    def expect(self, character: str) -> None:
        """Go past a character."""
        if self.peek() != character:
            raise self.error(f"Expecting '{character}'")
        self._position += 1

    def another_before(self, closing: str) -> bool:
        """Go past a comma and return True, or stay before the closing bracket and return False."""
        if self.peek() == closing:
            return False
        self.expect(",")
        return True

    def value(self) -> object:
        """Return the next value, whole."""
        while True:
            self.peek()
            try:
                value, end = _decode(self._text, self._position)
            except JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos > len(self._text) - _NEAR
                placed = self._placed(error)  # now: to read on moves the text that it is about
                if not (cut and self._more()):
                    raise placed from None
            except ValueError as error:  # Python takes no number of more than 4,300 digits
                raise self.error(str(error).partition(";")[0]) from error
            else:
                length = end - self._position
                if end < len(self._text) or not self._more():
                    self._position += length
                    return value

    def _more(self) -> bool:
        """Read on, as much again as is held, and forget what was taken; False at the end."""
        raw = self._file.read(max(_CHUNK, len(self._text) - self._start))
        before = self._start
        if before:
            self._forget(before)
        try:
            self._text += self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            raise self._not_utf8(error) from error
        return bool(raw)

    def _forget(self, before: int) -> None:
        if self._counted < before:  # count its bytes while they are there
            self._bytes += len(self._text[self._counted : before].encode())
            self._counted = before
        self._counted -= before
        self._position -= before
        gone = self._text[:before]
        self._text, self._start = self._text[before:], 0
        last = gone[gone.rfind("\n") + 1 :]
        if len(last) < len(gone):
            self._lines, self._columns, self._line_bytes = self._lines + gone.count("\n"), 0, 0
        self._columns += len(last)
        self._line_bytes += len(last.encode())

    def _placed(self, error: JSONDecodeError) -> JSONDecodeError:
        """Return an error with its place in the file rather than in the text that is held."""
        if error.lineno == 1:
            error.colno += self._columns
        error.lineno += self._lines
        return error

    def _not_utf8(self, error: UnicodeDecodeError) -> AnnotationError:
        before = self._text.encode() + error.object[: error.start]
        line = 1 + self._lines + before.count(b"\n")
        byte = 1 + len(before) - (before.rfind(b"\n") + 1) + (0 if b"\n" in before else self._line_bytes)
        got = f"byte 0x{error.object[error.start]:02x} at byte {byte} of the line"
        return fault(self._source, f"line {line}", "UTF-8 text", got, "save the file as UTF-8")
