"""The losses' tables of hyperparameters as input fields; torch stays out of the server until Loss curves is opened."""

import json
import subprocess
import sys

import streamlit as st

from labelmend_core.hyperparameter import Hyperparameter, Value

_DUMP = """
import json
from dataclasses import asdict
from labelmend_core.losses import LOSSES
print(json.dumps({name: [asdict(row) for row in loss.hyperparameters] for name, loss in sorted(LOSSES.items())}))
"""


@st.cache_resource(show_spinner="Reading the losses …")
def tables() -> dict[str, tuple[Hyperparameter, ...]]:
    """Return the hyperparameters of every loss by its name.

    They are read in a process of their own, once a server: torch would stay in this one with half a gigabyte.
    """
    done = subprocess.run([sys.executable, "-c", _DUMP], stdout=subprocess.PIPE, check=True, text=True)
    return {
        name: tuple(Hyperparameter(**row | {"choices": tuple(row["choices"])}) for row in rows)
        for name, rows in json.loads(done.stdout).items()
    }


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
