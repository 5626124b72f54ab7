"""The arrays of a large JSON object, one element at a time, with where each stands in the file.

Polygons need not be held in memory, nor the file, and taking an element out leaves every other byte as it was.
"""

from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from labelmend_core.types import IntArray
from labelmend_datasets.formats._json_stream import Feed

_PIECE = 1 << 20


class Element(NamedTuple):
    """One element of an array, from byte `start` to before byte `end` of the file."""

    value: object
    start: int
    end: int


def arrays(feed: Feed) -> Iterator[tuple[str, Iterator[Element]]]:
    """Yield key and elements of every array in the top-level object, in order; other values are passed over.

    Raises:
        JSONDecodeError: the text is not one JSON object, or names a key twice.

    Example:
        >>> import io
        >>> from pathlib import Path
        >>> feed = Feed(io.BytesIO(b'{"a": [1, {"b": 2}], "c": 3, "d": []}'), Path("a.json"))
        >>> for key, elements in arrays(feed):
        ...     print(key, [element.value for element in elements])
        a [1, {'b': 2}]
        d []
    """
    keys: set[str] = set()
    for key in _keys(feed):
        if key in keys:
            raise feed.error("Expecting every property name once, enclosed in double quotes")
        keys.add(key)
        if feed.peek() == "[":
            elements = _elements(feed)
            yield key, elements
            for _ in elements:
                """Whatever the caller left unread stands before the next key."""
        else:
            feed.value()


def members(feed: Feed) -> Iterator[tuple[str, Element]]:
    """Yield key and value of every member of the top-level object, in order.

    Raises:
        JSONDecodeError: the text is not one JSON object.

    Example:
        >>> import io
        >>> from pathlib import Path
        >>> [(key, value) for key, value in members(Feed(io.BytesIO(b'{"a": [1], "b": 2}'), Path("a.json")))]
        [('a', Element(value=[1], start=6, end=9)), ('b', Element(value=2, start=16, end=17))]
    """
    for key in _keys(feed):
        yield key, _element(feed)


def cut(
    file: BinaryIO,
    elements: Sequence[tuple[int, int]] | IntArray,
    removed: Sequence[bool],
    stop: int | None = None,
) -> Iterator[bytes]:
    """Yield a file in pieces without the removed elements of one array and the commas that go with them.

    Args:
        file: the document.
        elements: first byte and end of every element of the array, in order.
        removed: for each element, whether it goes.
        stop: byte before which to end; the end of the file without it.

    Example:
        >>> import io
        >>> places = [(1, 2), (4, 5), (8, 9)]
        >>> [b"".join(cut(io.BytesIO(b"[1, 2,  3]"), places, gone)) for gone in ([1, 0, 0], [0, 1, 1], [1, 1, 1])]
        [b'[2,  3]', b'[1]', b'[]']
    """
    position, index = 0, 0
    while index < len(elements):
        first = index
        while index < len(elements) and removed[index]:
            index += 1
        if index > first:
            is_tail = index == len(elements)
            # A run at the end takes the comma before it, any other run the comma after it.
            yield from part(file, position, elements[first - 1][1] if is_tail and first else elements[first][0])
            position = elements[-1][1] if is_tail else elements[index][0]
        index += 1
    yield from part(file, position, stop)


def part(file: BinaryIO, start: int, stop: int | None = None) -> Iterator[bytes]:
    """Yield the bytes of a file from `start` to before `stop`, or to its end, in pieces."""
    file.seek(start)
    left = stop - start if stop is not None else None
    while left is None or left > 0:
        piece = file.read(_PIECE if left is None else min(int(left), _PIECE))
        if not piece:
            return
        left = left if left is None else left - len(piece)
        yield piece


def _keys(feed: Feed) -> Iterator[str]:
    """Yield every key of the top-level object; whoever asks goes past its value."""
    feed.expect("{")
    going_on = feed.peek() != "}"
    while going_on:
        key = feed.value()
        if not isinstance(key, str):
            raise feed.error("Expecting property name enclosed in double quotes")
        feed.expect(":")
        yield key
        going_on = feed.another_before("}")
    feed.expect("}")
    if feed.peek():
        raise feed.error("Extra data")


def _elements(feed: Feed) -> Iterator[Element]:
    """Yield the elements of the array that opens here, and go past it."""
    feed.expect("[")
    going_on = feed.peek() != "]"
    while going_on:
        yield _element(feed)
        going_on = feed.another_before("]")
    feed.expect("]")


def _element(feed: Feed) -> Element:
    feed.peek()
    start = feed.place
    value = feed.value()
    found = Element(value, start, feed.place)
    feed.forget()
    return found
