"""Copying from a stream that may be longer than it says, or shorter."""

import math
import time
from typing import IO, Protocol

from labelmend_core.errors import ImageError

MOST_IMAGE_BYTES = 256 * 1024**2
_CHUNK = 1024**2


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, none at the end."""


def copy_bounded(
    content: Readable,
    output: IO[bytes],
    what: str,
    *,
    most: int = MOST_IMAGE_BYTES,
    expected: int | None = None,
    seconds: float = math.inf,
) -> None:
    """Copy a stream to a file.

    Args:
        content: read in chunks.
        output: written to.
        what: for messages.
        most: bytes that are too many beyond.
        expected: bytes that there are; with more to come, the copy ends there.
        seconds: that it may take.

    Raises:
        ImageError: there are more than `most` bytes, or fewer than expected.
        TimeoutError: it took too long.
    """
    end, done = most if expected is None else expected, 0
    until = time.monotonic() + seconds
    while chunk := content.read(_CHUNK if expected is None else min(_CHUNK, end - done)):
        done += len(chunk)
        if time.monotonic() > until:
            raise TimeoutError
        if done > end:
            raise ImageError(f"Expected at most {most:,} bytes at {what}, got more; is it an image?")
        output.write(chunk)
    if expected is not None and done < expected:
        raise ImageError(f"Expected {expected:,} bytes at {what}, got {done:,}; was it cut off? Try again.")
