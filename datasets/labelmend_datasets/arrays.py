"""Arrays that somebody else saved: `.npy` memory-mapped, `.npz` sparse; nothing is ever unpickled."""

import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from labelmend_core.errors import AnnotationError
from labelmend_core.types import Dynamics

# The header of a .npy file is Python's literal syntax, which NumPy reads with Python's own tools.
_DAMAGED = (
    *(ValueError, KeyError, TypeError, EOFError, OSError, OverflowError, RuntimeError, SyntaxError),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)


def read_npy(path: Path, what: str) -> NDArray[Any]:
    """Return the array of a `.npy` file, memory-mapped.

    Args:
        path: the file.
        what: it holds, for a message.

    Raises:
        AnnotationError: it is not there, damaged, or holds Python objects.
    """
    with _whole(path, what, "save it with numpy.save, as numbers"):
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        array.close()
        raise AnnotationError(f"Expected {what} as one array at {path}, got several (.npz); rename the file to .npz")
    return array


def read_npz(path: Path, what: str) -> sparse.csr_array:
    """Return the sparse matrix of an `.npz` file; what is not stored is 0.

    Raises:
        AnnotationError: it is not there, damaged, or no sparse matrix.
    """
    with _whole(path, what, "save it with scipy.sparse.save_npz"):
        matrix = sparse.load_npz(path)
        if hasattr(matrix, "check_format"):
            matrix.check_format(full_check=True)  # an index out of range would be read from anywhere in the memory
        return sparse.csr_array(matrix)


def read_dynamics(folder: Path) -> Dynamics:
    """Return the training dynamics of a folder with `mean.npy` and the other fields of `Dynamics`, memory-mapped.

    Raises:
        AnnotationError: a file is not there or damaged, or their shapes differ.
    """
    found = Dynamics(
        **{field.name: read_npy(folder / f"{field.name}.npy", "training dynamics") for field in fields(Dynamics)}
    )
    for field in fields(Dynamics):
        shape = getattr(found, field.name).shape
        if shape != found.mean.shape:
            raise AnnotationError(
                f"Expected {folder / field.name}.npy of shape {found.mean.shape} as mean.npy, got {shape}; "
                "are they of one run?"
            )
    return found


@contextmanager
def _whole(path: Path, what: str, cure: str) -> Iterator[None]:
    """Turn what can be wrong with a binary file into an `AnnotationError` that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise AnnotationError(f"Expected {what} at {path}, but nothing is there; is the path right?") from error
    except _DAMAGED as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AnnotationError(
            f"Expected {what} in a whole {path.suffix} file at {path}, got: {reason}; {cure}."
        ) from error
