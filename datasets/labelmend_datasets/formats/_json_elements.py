"""The arrays of a large JSON object, one element at a time, with where each stands in the text.

Polygons need not be held in memory, and taking an element out leaves every other byte as it was.
"""

import json
import re
from collections.abc import Iterator, Sequence
from json import JSONDecodeError
from typing import NamedTuple

_decode = json.JSONDecoder().raw_decode
_space = re.compile(r"[ \t\r\n]*")


class Element(NamedTuple):
    """One element of an array, from `start` to before `end` in the text."""

    value: object
    start: int
    end: int


def arrays(text: str) -> Iterator[tuple[str, Iterator[Element]]]:
    """Yield key and elements of every array in the top-level object, in order; other values are passed over.

    Raises:
        JSONDecodeError: the text is not one JSON object, or names a key twice.

    Example:
        >>> for key, elements in arrays('{"a": [1, {"b": 2}], "c": 3, "d": []}'):
        ...     print(key, [element.value for element in elements])
        a [1, {'b': 2}]
        d []
    """
    cursor = _Cursor(text)
    cursor.expect("{")
    keys: set[object] = set()
    going_on = cursor.peek() != "}"
    while going_on:
        key = cursor.value().value
        if not isinstance(key, str) or key in keys:
            raise cursor.error("Expecting every property name once, enclosed in double quotes")
        keys.add(key)
        cursor.expect(":")
        if cursor.peek() == "[":
            elements = cursor.elements()
            yield key, elements
            for _ in elements:
                """Whatever the caller left unread stands before the next key."""
        else:
            cursor.value()
        going_on = cursor.another_before("}")
    cursor.expect("}")
    if cursor.peek():
        raise cursor.error("Extra data")


def cut(text: str, elements: Sequence[tuple[int, int]], removed: Sequence[bool]) -> Iterator[str]:
    """Yield the text in pieces without the removed elements of one array and the commas that go with them.

    Args:
        text: the document.
        elements: start and end of every element of the array, in order.
        removed: for each element, whether it goes.

    Example:
        >>> places = [(1, 2), (4, 5), (8, 9)]
        >>> ["".join(cut("[1, 2,  3]", places, gone)) for gone in ([1, 0, 0], [0, 1, 1], [1, 1, 1])]
        ['[2,  3]', '[1]', '[]']
    """
    position, index = 0, 0
    while index < len(elements):
        first = index
        while index < len(elements) and removed[index]:
            index += 1
        if index > first:
            is_tail = index == len(elements)
            # A run at the end takes the comma before it, any other run the comma after it.
            yield text[position : elements[first - 1][1] if is_tail and first else elements[first][0]]
            position = elements[-1][1] if is_tail else elements[index][0]
        index += 1
    yield text[position:]


class _Cursor:
    """A place in a JSON text."""

    def __init__(self, text: str) -> None:
        self._text, self._position = text, int(text.startswith("\ufeff"))  # after a byte order mark

    def error(self, message: str) -> JSONDecodeError:
        return JSONDecodeError(message, self._text, self._position)

    def peek(self) -> str:
        """Return the next character that is no space, or nothing at the end."""
        space = _space.match(self._text, self._position)
        self._position = space.end() if space else self._position
        return self._text[self._position : self._position + 1]

    def expect(self, character: str) -> None:
        if self.peek() != character:
            raise self.error(f"Expecting '{character}'")
        self._position += 1

    def value(self) -> Element:
        """Return the next value, whole."""
        self.peek()
        start = self._position
        value, self._position = _decode(self._text, start)
        return Element(value, start, self._position)

    def elements(self) -> Iterator[Element]:
        """Yield the elements of the array that opens here, and go past it."""
        self.expect("[")
        going_on = self.peek() != "]"
        while going_on:
            yield self.value()
            going_on = self.another_before("]")
        self.expect("]")

    def another_before(self, closing: str) -> bool:
        """Go past a comma and return True, or stay before the closing bracket and return False."""
        if self.peek() == closing:
            return False
        self.expect(",")
        return True
