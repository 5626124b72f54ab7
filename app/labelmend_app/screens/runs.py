"""Runs: what was trained, and two runs side by side: metrics, classes, settings."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from labelmend_app.effect import read_effect
from labelmend_app.screens import _charts, _runs
from labelmend_app.screens._effect import effect
from labelmend_core.dotted import dotted
from labelmend_core.ledger import RunRecord
from labelmend_core.workspace import Workspace

_METRICS = {
    "map": ("mAP", "mean average precision over the classes"),
    "cf1": ("CF1", "F1 of precision and recall averaged over the classes"),
    "of1": ("OF1", "F1 of all cells pooled"),
}
_CHART_CLASSES = 40
_NOTHING = "nothing"


def render(workspace: Workspace) -> None:
    """Draw the screen."""
    st.title("Runs")
    records = workspace.runs.all()
    if not records:
        st.info("No run so far: start one under **Train**.", icon=":material/arrow_forward:")
        return
    st.dataframe(
        _table(records),
        hide_index=True,
        placeholder="–",
        height=min(35 * len(records) + 38, 320),
        column_config=_columns(),
    )
    before, after = _choose(workspace, records)
    if before is None:
        st.info("A second run to compare with will appear here: retrain on the corrected labels under **Train**.")
    _metrics(before, after)
    effect(workspace, after)
    with st.container(horizontal=True, gap="medium"):  # side by side where there is room for both
        with st.container(width=_charts.PANEL_WIDTH):
            _classes(workspace, before, after)
        with st.container(width=_charts.PANEL_WIDTH):
            _settings(before, after)


def class_table(before: pd.DataFrame | None, after: pd.DataFrame, class_names: tuple[str, ...]) -> pd.DataFrame:
    """Return average precision by class, the largest change first; without `before`, the lowest first.

    Args:
        before, after: as in `per_class.parquet`; average precision is NaN for a class that was left out.
        class_names: of the workspace.

    Returns:
        Columns name, positives (of `after`), before, after, difference.
    """
    frame = after.set_index("class_index")
    table = pd.DataFrame({"positives": frame["positives"], "after": frame["average_precision"]})
    table["before"] = np.nan if before is None else before.set_index("class_index")["average_precision"]
    table["difference"] = table["after"] - table["before"]
    table["name"] = [class_names[k] for k in table.index]
    order = table["after"] if before is None else -table["difference"].abs()
    return table.loc[order.sort_values(kind="stable").index, ["name", "positives", "before", "after", "difference"]]


def flat(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return nested settings as text by dotted name.

    Example:
        >>> flat({"loss": "splc", "schedule": {"epochs": 5}})
        {'loss': 'splc', 'schedule.epochs': '5'}
    """
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in dotted(settings).items()}


def _table(records: list[RunRecord]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Started": [_runs.when(r.created_at) for r in records],
            "Mode": [r.mode for r in records],
            "Loss": [r.loss for r in records],
            "Labels": [r.labels for r in records],
            "Decisions used": [r.n_decisions if r.labels == "corrected" else 0 for r in records],
            **{label: [r.metrics.get(key) for r in records] for key, (label, _) in _METRICS.items()},
            "Measured on": [r.metrics.get("on", "") for r in records],
            "Status": [r.status.value for r in records],
            "Run": [r.run_id for r in records],
        }
    )


def _columns() -> dict[str, Any]:
    return {
        "Decisions used": st.column_config.NumberColumn(format="localized", help="events in the ledger at the start"),
        **{label: st.column_config.NumberColumn(format="%.3f", help=about) for label, about in _METRICS.values()},
    }


def _choose(workspace: Workspace, records: list[RunRecord]) -> tuple[RunRecord | None, RunRecord]:
    """Draw the two lists and return the runs, by default the newest that has metrics and what it is compared with.

    That is the run whose review it learned from, else the one before it.
    """
    names = _runs.names(records)
    measured = [r.run_id for r in records if r.metrics] or list(names)
    left, right = st.columns(2)
    with right:
        after = _runs.choose("After", names, "after", first=measured[0])
    with left:
        reviewed = read_effect(workspace.run_folder(after))
        first = measured[1] if len(measured) > 1 else _NOTHING
        if reviewed is not None and reviewed.before in names:
            first = reviewed.before
        before = _runs.choose("Before", {_NOTHING: "nothing", **names}, "before", first=first)
    by_id = {r.run_id: r for r in records}
    return by_id.get(before), by_id[after]


def _metrics(before: RunRecord | None, after: RunRecord) -> None:
    if not after.metrics:
        st.info("The run on the right has no metrics so far.")
        return
    st.subheader("Metrics")
    with st.container(horizontal=True):
        for key, (label, about) in _METRICS.items():
            value, old = after.metrics.get(key), before.metrics.get(key) if before else None
            delta = None if value is None or old is None else round(value - old, 3)
            st.metric(
                label,
                "not defined" if value is None else f"{value:.3f}",
                None if delta is None else f"{delta:+.3f}",
                delta_color="normal" if delta else "off",
                delta_arrow="auto" if delta else "off",
                help=about,
                border=True,
                width=190,
                height="stretch",
            )
        decisions = after.n_decisions if after.labels == "corrected" else 0
        st.metric("Decisions used", f"{decisions:,}", border=True, width=190, height="stretch")
        if "best_epoch" in after.metrics:
            st.metric("Best epoch", f"{after.metrics['best_epoch'] + 1:,}", border=True, width=190, height="stretch")
    st.caption(f"0 to 1, higher is better; measured on {after.metrics.get('on', 'unknown data')}.")
    if before and before.metrics and before.metrics.get("on") != after.metrics.get("on"):
        st.warning(
            "The two runs were measured on different data "
            f"(before: {before.metrics.get('on')}; after: {after.metrics.get('on')}), so their numbers do not compare.",
            icon=":material/warning:",
        )


def _classes(workspace: Workspace, before: RunRecord | None, after: RunRecord) -> None:
    tables = [r and _runs.table(workspace.run_folder(r.run_id), "per_class") for r in (before, after)]
    if tables[1] is None:
        return
    st.subheader("Classes")
    table = class_table(tables[0], tables[1], tuple(workspace.dataset.class_names))
    left_out = int(table["after"].isna().sum())
    if left_out:
        one = left_out == 1
        st.caption(
            f"{left_out:,} {'class has' if one else 'classes have'} no average precision: what was measured on holds "
            f"no image with {'it' if one else 'them'}."
        )
    shown = table.rename(
        columns={
            "name": "Class",
            "positives": "Images with the label",
            "before": "AP before",
            "after": "AP after",
            "difference": "Difference",
        }
    )
    precise = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(
        shown if tables[0] is not None else shown.drop(columns=["AP before", "Difference"]),
        hide_index=True,
        placeholder="–",
        height=min(35 * len(shown) + 38, 420),
        column_config={
            "Images with the label": st.column_config.NumberColumn(format="localized"),
            "AP before": precise,
            "AP after": precise,
            "Difference": st.column_config.NumberColumn(format="%+.3f"),
        },
    )
    st.plotly_chart(class_chart(table), key="runs_classes", config=_charts.CONFIG)


def class_chart(table: pd.DataFrame) -> go.Figure:
    """Return a line from before to after for each class, those that changed most, the first on top."""
    shown = table[table["after"].notna()].head(_CHART_CLASSES)
    place = list(range(len(shown)))
    names = [_charts.plain(name) for name in shown["name"]]
    figure = go.Figure()
    if shown["before"].notna().any():
        lines = go.Scatter(
            x=np.column_stack([shown["before"], shown["after"], np.full(len(shown), np.nan)]).ravel(),
            y=np.repeat(place, 3),
            mode="lines",
            line={"color": _charts.GIVEN, "width": 2},
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_trace(lines)
        figure.add_trace(_dots(shown["before"], place, names, "before", _charts.GIVEN))
    figure.add_trace(_dots(shown["after"], place, names, "after", _charts.MISSING))
    figure.update_xaxes(title_text="average precision, 0 to 1", range=[0, 1.02])
    figure.update_yaxes(title_text="Class", autorange="reversed", **_charts.class_ticks(list(shown["name"])))
    few = f", {len(shown)} of {len(table)} classes" if len(shown) < len(table) else ""
    return _charts.layout(figure, f"Average precision by class{few}", 20 * len(shown) + 150)


def _dots(values: pd.Series, place: list[int], names: list[str], name: str, colour: str) -> go.Scatter:
    return go.Scatter(
        x=values,
        y=place,
        mode="markers",
        marker={"color": colour, "size": 10},
        name=name,
        customdata=names,
        hovertemplate="%{customdata}: %{x:.3f}",
    )


def _settings(before: RunRecord | None, after: RunRecord) -> None:
    st.subheader("Settings")
    columns = {"After": flat(after.settings)}
    if before:
        columns = {"Before": flat(before.settings), **columns}
    table = pd.DataFrame(columns).fillna("")
    if before:
        table["Differs"] = table["Before"] != table["After"]
        table = table.sort_values("Differs", ascending=False, kind="stable")
    table.insert(0, "Setting", table.index)
    st.dataframe(table, hide_index=True, placeholder="–", height=min(35 * len(table) + 38, 420))
