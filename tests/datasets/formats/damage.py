"""What may happen to the bytes of a file: what fuzz.py does to a sample, drawn anew for each input."""

import re
from random import Random

_LARGEST = 200_000  # bytes of a damaged file
_TOKENS = (
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\r\n", b'"', b"'", b",", b"\\", b"\\u0000", b"\\ud800", b"\x1a"),
    *(b"[" * 3_000, b'{"a":' * 3_000, b"<a>" * 3_000, b"((((", b"]", b"}", b"null", b"true", b"{}", b"[]", b"-"),
    *(b"NaN", b"Infinity", b"-1", b"1e999", b"1" * 5_000, b"18446744073709551616", b"0x7fffffff", b"0.1", b"../../x"),
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"<![CDATA[", b"<!--", b"&a [*a]", b"!!python/object/apply:os.system"),
    *("ü".encode(), "\u202e".encode(), "\u2028".encode(), "\u0000".encode(), b"\xc0\xaf", b"\xed\xa0\x80"),
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_HUGE = (b"99999999999999999999", b"1e400", b"-1", b"4294967296", b"2147483648", b"0", b"9" * 400, b"1e-400", b"NaN")


def damaged(data: bytes, other: bytes, random: Random) -> bytes:
    """Return data with one to four things done to it; `other` lends parts."""
    for _ in range(random.choice((1, 1, 2, 4))):
        data = random.choice(_WAYS)(data, other, random)[:_LARGEST]
    return data


def _flip(data: bytes, _other: bytes, random: Random) -> bytes:
    changed = bytearray(data or b"\x00")
    for _ in range(random.choice((1, 1, 3, 20))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _set(data: bytes, _other: bytes, random: Random) -> bytes:
    changed = bytearray(data or b"\x00")
    changed[random.randrange(len(changed))] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
    return bytes(changed)


def _cut(data: bytes, _other: bytes, random: Random) -> bytes:
    start, end = _part(data, random)
    return random.choice((data[:start], data[start:], data[:start] + data[end:]))


def _insert(data: bytes, _other: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice((random.randbytes(random.randrange(1, 20)), random.choice(_TOKENS))) + data[at:]


def _repeat(data: bytes, _other: bytes, random: Random) -> bytes:
    start, end = _part(data, random)
    return data[:end] + data[start:end] * random.choice((1, 1, 2, 50, 1_000)) + data[end:]


def _splice(data: bytes, other: bytes, random: Random) -> bytes:
    start, end = _part(data, random)
    first, last = _part(other, random)
    return data[:start] + other[first:last] + data[end:]


def _number(data: bytes, _other: bytes, random: Random) -> bytes:
    numbers = list(_NUMBER.finditer(data))
    if not numbers:
        return _set(data, b"", random)
    one = random.choice(numbers)
    return data[: one.start()] + random.choice(_HUGE) + data[one.end() :]


_WAYS = (_flip, _set, _cut, _insert, _repeat, _splice, _number)


def _part(data: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(data) + 1)
    return start, min(len(data), start + random.choice((1, 4, 16, 64, 1_000)))
