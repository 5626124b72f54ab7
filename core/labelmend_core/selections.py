"""Cells that somebody selected, kept in the workspace under the hash of what they are.

So an address that names a selection is short, and means the same cells for ever.
"""

import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow

from labelmend_core.errors import InputError
from labelmend_core.files import replacing
from labelmend_core.types import Kind

CELL = ["image_index", "class_index", "kind"]
MOST_CELLS = 1_000_000
_KEY = re.compile(r"[0-9a-f]{20}")


class Selections:
    """The selections of one workspace; none is ever changed or deleted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: tuple[str, pd.DataFrame] | None = None  # the last one; it never changes

    def save(self, cells: pd.DataFrame) -> str:
        """Keep cells in their order and return the key that leads back to them; the same cells have the same key.

        Args:
            cells: columns `CELL`, each (image, class) once, `MOST_CELLS` at most.

        Raises:
            InputError: there is no cell, or there are too many, or one comes twice.

        Example:
            >>> import tempfile
            >>> selections = Selections(Path(tempfile.mkdtemp()))
            >>> key = selections.save(pd.DataFrame([(7, 0, "missing")], columns=CELL))
            >>> key in selections, "../" + key in selections, len(selections.load(key))
            (True, False, 1)
        """
        cells = _plain(cells)
        if not 0 < len(cells) <= MOST_CELLS:
            raise InputError(
                f"Expected 1 to {MOST_CELLS:,} selected cells, got {len(cells):,}; select others or fewer."
            )
        if cells.duplicated(CELL[:2]).any():
            raise InputError("Expected each image and class to be selected once, got one twice.")
        key = _key_of(cells)
        path = self._path(key)
        if not path.exists():
            with replacing(path) as temporary:
                cells.to_parquet(temporary, index=False)
        return key

    def load(self, key: str) -> pd.DataFrame:
        """Return the cells of a key in the order in which they were saved: columns `CELL`.

        Raises:
            InputError: there is no such selection, or its file is not what was saved.
        """
        if key not in self:
            raise InputError(
                f"Expected the key of a selection of this workspace, got {key[:40]!r}; select the cells anew."
            )
        known = self._known
        if known is not None and known[0] == key:
            return known[1].copy(deep=False)
        path = self._path(key)
        try:
            cells = _plain(pd.read_parquet(path, columns=CELL))
        except (pyarrow.ArrowException, ValueError, KeyError) as error:
            raise InputError(f"Expected {path} as it was saved, but it cannot be read: {error}") from error
        if _key_of(cells) != key:
            raise InputError(f"Expected {path} as it was saved, but it holds other cells; select them anew.")
        self._known = (key, cells)
        return cells.copy(deep=False)

    def __contains__(self, key: object) -> bool:
        """Return whether there is a selection of this key; whatever is no key is none."""
        return isinstance(key, str) and _KEY.fullmatch(key) is not None and self._path(key).is_file()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.parquet"


def _plain(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the columns in one order and of one type, so that the same cells have the same bytes."""
    kinds = [kind.value for kind in Kind]
    return pd.DataFrame(
        {
            "image_index": cells["image_index"].to_numpy(np.int64),
            "class_index": cells["class_index"].to_numpy(np.int64),
            "kind": pd.Categorical(cells["kind"].astype(str), categories=kinds),
        }
    )


def _key_of(cells: pd.DataFrame) -> str:
    content = hashlib.sha256()
    for values in (cells["image_index"], cells["class_index"], cells["kind"].cat.codes.astype(np.int64)):
        content.update(values.to_numpy().astype("<i8").tobytes())
    return content.hexdigest()[:20]
