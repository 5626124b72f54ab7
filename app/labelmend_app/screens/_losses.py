"""The losses' tables of hyperparameters as input fields; torch stays out of the server."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import streamlit as st

Value = float | int | bool | str


class Hyperparameter(Protocol):
    """A row of a loss's table, from the class itself or as `tables` returns it."""

    @property
    def name(self) -> str:
        """Keyword of `build_loss`."""

    @property
    def default(self) -> Value:
        """Its type says whether this is a switch, a count or a number."""

    @property
    def low(self) -> float:
        """Smallest value allowed."""

    @property
    def high(self) -> float:
        """Largest value allowed."""

    @property
    def description(self) -> str:
        """What a larger value does."""

    @property
    def choices(self) -> Sequence[str]:
        """The values of a choice, nothing for the others."""


@dataclass(frozen=True)
class Row:
    """One hyperparameter, as `labelmend_core.losses.Hyperparameter`, which cannot be imported without torch."""

    name: str
    default: Value
    low: float
    high: float
    description: str
    choices: Sequence[str] = ()


_DUMP = """
import json
from dataclasses import asdict
from labelmend_core.losses import LOSSES
print(json.dumps({name: [asdict(row) for row in loss.hyperparameters] for name, loss in sorted(LOSSES.items())}))
"""


@st.cache_resource(show_spinner="Reading the losses …")
def tables() -> dict[str, tuple[Row, ...]]:
    """Return the hyperparameters of every loss by its name.

    They are read in a process of their own, once a server: torch would stay in this one with half a gigabyte.
    """
    done = subprocess.run([sys.executable, "-c", _DUMP], stdout=subprocess.PIPE, check=True, text=True)
    return {name: tuple(Row(**row) for row in rows) for name, rows in json.loads(done.stdout).items()}


def field(row: Hyperparameter, key: str, default: Value | None = None) -> Value:
    """Draw the input field of one hyperparameter, bound to the URL under `key`, and return its value.

    Args:
        row: what to ask for.
        key: of the widget and of the URL.
        default: the value at first, instead of the table's.
    """
    first = row.default if default is None else default
    if row.choices:
        index = list(row.choices).index(str(first))
        return st.selectbox(row.name, row.choices, index, key=key, help=row.description, bind="query-params")
    if isinstance(row.default, bool):
        return st.toggle(row.name, bool(first), key=key, help=row.description, bind="query-params")
    if isinstance(row.default, int):
        bounds = int(row.low), int(row.high), int(first)
        return int(st.number_input(row.name, *bounds, key=key, help=row.description, bind="query-params"))
    return _number(row, key, float(first))


def _number(row: Hyperparameter, key: str, first: float) -> float:
    low, high = float(row.low), float(row.high)
    span = high - low
    if 0 < float(row.default) - low < span / 1000:  # a slider could not reach it
        return float(
            st.number_input(
                row.name, low, high, first, span / 1e6, "%.3g", key=key, help=row.description, bind="query-params"
            )
        )
    step = 0.01 if span >= 1 else span / 100
    return float(
        st.slider(row.name, low, high, first, step, "%.3g", key=key, help=row.description, bind="query-params")
    )
