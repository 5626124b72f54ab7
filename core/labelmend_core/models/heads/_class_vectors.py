"""What the classes' names mean, as vectors from a file."""

import re
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelmend_core.errors import InputError


def read_class_vectors(path: Path, class_names: Sequence[str], n_classes: int) -> Tensor:
    """Return one vector a class, float32 (K, d).

    Args:
        path: `.npy` with an array (K, d) in the order of the classes, or a text file of lines
            `name v1 v2 …`, such as GloVe's or word2vec's. There the name counts without upper and lower case;
            a class of several words takes the line `traffic_light`, else the mean of its words.
        class_names: length K; only a text file needs them.
        n_classes: K.

    Raises:
        InputError: no such file, an array of another shape, a line that is no vector, or classes without one.
    """
    if not path.is_file():
        raise InputError(f"Expected a file of class vectors at {path}, which is not there.")
    vectors = _from_array(path) if path.suffix == ".npy" else _from_text(path, class_names)
    if vectors.ndim != 2 or len(vectors) != n_classes or not vectors.shape[1]:
        raise InputError(
            f"Expected {path} to hold one vector for each of the {n_classes} classes, got an array of shape "
            f"{vectors.shape}; was it made for other classes?"
        )
    if not np.isfinite(vectors).all():
        raise InputError(f"Expected finite numbers in {path}, got NaN or infinity.")
    return torch.from_numpy(vectors)


def _from_array(path: Path) -> NDArray[np.float32]:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OverflowError, RuntimeError, SyntaxError, tokenize.TokenError) as error:
        raise InputError(f"Expected a NumPy array of numbers in {path}, got: {error}") from error
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise InputError(f"Expected a NumPy array of real numbers in {path}, got {array.dtype}.")
    vectors: NDArray[np.float32] = array.astype(np.float32)
    return vectors


def _from_text(path: Path, class_names: Sequence[str]) -> NDArray[np.float32]:
    if not class_names:
        raise InputError(f"Expected class names to look up in {path}, got none; a .npy file needs no names.")
    parts = [[part for part in re.split(r"[\W_]+", name.casefold()) if part] for name in class_names]
    wanted = {word for words in parts for word in [*words, "_".join(words)]}
    found: dict[str, NDArray[np.float32]] = {}
    exact: set[str] = set()
    for token, vector in _lines(path, wanted):
        key = token.casefold()
        # "Apple" and "apple" may both be there: the one without capitals is the thing.
        if key not in found or (token == key and key not in exact):
            found[key] = vector
            exact.update({token} & {key})
    rows = [_mean(words, found) for words in parts]
    missing = [name for name, row in zip(class_names, rows, strict=True) if row is None]
    if missing:
        named = ", ".join(repr(name) for name in missing[:3]) + (", …" if len(missing) > 3 else "")
        raise InputError(
            f"Expected a vector for every class in {path}, but {len(missing)} of {len(rows)} have none: {named}; "
            "add lines for them, or learn the vectors by leaving the file out."
        )
    return np.stack([row for row in rows if row is not None])


def _mean(words: Sequence[str], found: dict[str, NDArray[np.float32]]) -> NDArray[np.float32] | None:
    """Return the vector of the whole name, else the mean of its words', None where one of them has none."""
    if "_".join(words) in found:
        return found["_".join(words)]
    if not words or any(word not in found for word in words):
        return None
    mean: NDArray[np.float32] = np.mean([found[word] for word in words], axis=0, dtype=np.float32)
    return mean


def _lines(path: Path, wanted: set[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield token and vector of the wanted lines; GloVe has 2 million, so the others are not read as numbers."""
    width = 0
    with path.open(encoding="utf-8") as stream:
        try:
            for number, line in enumerate(stream, start=1):
                token, rest = [*line.split(maxsplit=1), "", ""][:2]
                if token.casefold() not in wanted or (number == 1 and rest.strip().isdecimal()):
                    continue  # word2vec's first line is "words width"
                try:
                    vector = np.array(rest.split(), dtype=np.float32)
                except ValueError as error:
                    raise InputError(f"Expected `name v1 v2 …` in {path}, line {number}, got: {error}.") from error
                width = width or vector.size
                if not vector.size or vector.size != width:
                    raise InputError(
                        f"Expected {width or 'some'} numbers after {token!r} in {path}, line {number}, "
                        f"got {vector.size}; was the file cut off?"
                    )
                yield token, vector
        except UnicodeDecodeError as error:
            raise InputError(f"Expected a .npy file or UTF-8 text of class vectors in {path}, got: {error}.") from error
