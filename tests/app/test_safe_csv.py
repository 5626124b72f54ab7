"""Tables for people: no cell of them is a formula, whichever column it stands in."""

import csv
import io

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend_app.safe_csv import safe_csv
from labelmend_core.spreadsheet import unescaped

TEXTS = st.lists(st.text(alphabet="'=+-@\t\rab,\"", max_size=5), min_size=1, max_size=4)


@given(image=TEXTS)
@settings(max_examples=50)
def test_every_text_of_a_table_is_safe_and_comes_back(image: list[str]) -> None:
    frame = pd.DataFrame({"image": image, "run": image, "score": -1.5, "left": None})
    rows = list(csv.DictReader(io.StringIO(safe_csv(frame), newline="")))
    assert [unescaped(row["image"]) for row in rows] == image
    assert [unescaped(row["run"]) for row in rows] == image
    assert not [row for row in rows if row["run"].startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert [row["score"] for row in rows] == ["-1.5"] * len(image)  # a number is no formula
