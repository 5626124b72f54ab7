"""What the screens show of a run: the tables in its folder, its time and its name in a list."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import streamlit as st

from labelmend_core.errors import InputError
from labelmend_core.ledger import RunRecord
from labelmend_core.run_folder import RunFolder


def table(run_folder: Path, name: str) -> pd.DataFrame | None:
    """Return `metrics`, `gradients` or `per_class` of a run, None when it has not written it so far.

    Read again only when it was written again.

    Raises:
        InputError: the file is damaged.
    """
    try:
        written = (run_folder / f"{name}.parquet").stat().st_mtime_ns
    except FileNotFoundError:
        return None
    return _read(run_folder, name, written)


def when(moment: datetime) -> str:
    """Return a moment in UTC, as *Decisions* and everything that is exported have it.

    Example:
        >>> from datetime import timedelta, timezone
        >>> when(datetime(2026, 3, 1, 1, 5, tzinfo=timezone(timedelta(hours=2))))
        '2026-02-28 23:05 UTC'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def duration(seconds: float | None) -> str:
    """Return a time span in words.

    Example:
        >>> duration(59.6), duration(61), duration(7384), duration(None)
        ('1 min 00 s', '1 min 01 s', '2 h 03 min', 'unknown')
    """
    if seconds is None or not math.isfinite(seconds):
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def names(records: Sequence[RunRecord]) -> dict[str, str]:
    """Return what a list shows for each run, by run_id; no two are the same, for Streamlit tells them apart by it."""
    short = {
        r.run_id: f"{when(r.created_at)} · {r.mode} · {r.loss} · {r.labels} labels · {r.status.value}{_map(r)}"
        for r in records
    }
    often = Counter(short.values())
    return {run_id: name if often[name] == 1 else f"{name} · {run_id}" for run_id, name in short.items()}


def choose(label: str, names: Mapping[str, str], key: str, first: str) -> str:
    """Draw a list of runs and return the chosen one; the address keeps it under `key` by its id.

    Streamlit's own binding would keep what the list shows, which changes with the status of the run.

    Args:
        label: of the list.
        names: what it shows, by run_id.
        key: of the address.
        first: chosen when the address names none.
    """
    ids = list(names)
    wanted = st.query_params.get(key)
    index = ids.index(first if wanted is None or wanted not in names else wanted)
    # Another list for each first run: this one would go on with what it had when a newer run is there.
    chosen: str = st.selectbox(label, ids, index, format_func=names.__getitem__, key=f"choose_{key}_{first}")
    if chosen != first:
        st.query_params[key] = chosen
    elif wanted is not None:  # so that a page that names no run shows the newest when it is opened again
        del st.query_params[key]
    return chosen


def _map(record: RunRecord) -> str:
    value = record.metrics.get("map")
    return "" if value is None else f" · mAP {value:.3f}"


@st.cache_data(show_spinner=False, max_entries=32)
def _read(run_folder: Path, name: str, written: int) -> pd.DataFrame | None:
    try:
        return RunFolder(run_folder).table(name)
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise InputError(f"Expected {name}.parquet in {run_folder} as a run writes it, got: {error}") from error
