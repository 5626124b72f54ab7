"""Selections: the same cells under the same key for ever, and nothing else under it."""

from pathlib import Path

import pandas as pd
import pytest

from labelmend_core.errors import InputError
from labelmend_core.selections import CELL, MOST_CELLS, Selections

CELLS = [(3, 1, "missing"), (0, 1, "spurious"), (2**31 - 1, 0, "missing")]


@pytest.fixture
def selections(tmp_path: Path) -> Selections:
    return Selections(tmp_path / "selections")


def frame(cells: list[tuple[int, int, str]]) -> pd.DataFrame:
    return pd.DataFrame(cells, columns=CELL)


def test_cells_come_back_in_their_order(selections: Selections) -> None:
    assert selections.load(selections.save(frame(CELLS))).to_numpy().tolist() == [list(cell) for cell in CELLS]


def test_the_key_says_which_cells_in_which_order(selections: Selections) -> None:
    key = selections.save(frame(CELLS))
    assert selections.save(frame(CELLS).assign(other=1).astype({"image_index": "int32"})) == key
    others = [frame(CELLS[::-1]), frame(CELLS[:2]), frame([(3, 1, "spurious"), *CELLS[1:]])]
    assert len({key, *map(selections.save, others)}) == 4


def test_a_key_names_a_file_of_its_own_and_no_other(selections: Selections, tmp_path: Path) -> None:
    key = selections.save(frame(CELLS))
    (tmp_path / f"{key}.parquet").write_bytes((tmp_path / "selections" / f"{key}.parquet").read_bytes())
    for wrong in (f"../{key}", f"{key}/../{key}", key[:-1], key + "a", key.upper(), key + "\n", "", 7, None):
        assert wrong not in selections
    with pytest.raises(InputError, match="select the cells anew"):
        selections.load(f"../{key}")


def test_a_file_that_holds_something_else_is_refused(selections: Selections, tmp_path: Path) -> None:
    first, second = selections.save(frame(CELLS)), selections.save(frame(CELLS[:1]))
    path = tmp_path / "selections" / f"{first}.parquet"
    path.write_bytes((tmp_path / "selections" / f"{second}.parquet").read_bytes())
    with pytest.raises(InputError, match="holds other cells"):
        selections.load(first)
    path.write_bytes(b"no parquet")
    with pytest.raises(InputError, match="cannot be read"):
        selections.load(first)


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (frame([]), "got 0"),
        (frame([(1, 1, "missing"), (1, 1, "spurious")]), "got one twice"),
        (frame([(0, 0, "missing")]).loc[[0] * (MOST_CELLS + 1)], "select others or fewer"),
    ],
)
def test_what_is_no_selection_is_refused(selections: Selections, cells: pd.DataFrame, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        selections.save(cells)
