"""Cells that a spreadsheet would compute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmend_core.spreadsheet import escaped, unescaped

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


@given(st.text(alphabet="'=+-@\t\r\n aé", max_size=6))
def test_any_text_comes_back_and_none_begins_like_a_formula(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert not escaped(text).startswith(FORMULAS)


@pytest.mark.parametrize("text", ["dog", "it's", "'quoted'", "", "a=b", "1", "'"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert escaped(text) == text == unescaped(text)
