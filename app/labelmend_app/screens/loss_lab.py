"""Loss curves: what each loss asks of a cell of a given probability, and what a run really measured."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from labelmend_app.components.figure_bar import figure_bar
from labelmend_app.safe_csv import safe_csv
from labelmend_app.screens import _charts, _lab_figure, _lab_settings, _runs
from labelmend_app.screens._lab_curves import Curve, View, table
from labelmend_app.screens._lab_figure import Measured
from labelmend_app.whole_number import whole_number
from labelmend_core.errors import InputError
from labelmend_core.workspace import Workspace

_FIRST_LOSSES = ["bce", "splc"]
_OPENED = 2  # the settings of the first losses; those of more are a click away
_NO_RUN = "no run"
_CHART, _FILE = "lab_figure", "labelmend-loss-curves"

# The chart fills the window and the settings scroll beside it, so that a slider is never far from what it changes.
_STYLE = """<style>
.st-key-lab_chart { flex: 0 0 auto; height: max(calc(100vh - 16.5rem), 26rem); }
@media (min-width: 640px) {
  .st-key-lab_left { flex: 0 0 auto; height: max(calc(100vh - 5.5rem), 34rem); }
  .st-key-lab_left > :has(> .st-key-lab_fields) { flex: 1 1 0; min-height: 0; }
  .st-key-lab_fields { height: 100%; overflow-y: auto; }
}
</style>"""
_SIGN = (
    "A positive gradient pushes the probability down, a negative one up. Dashed: before a schedule changed the loss."
)
_MEASURED = (
    "Means over the cells of a bin of p, in training. Unobserved cells that are pulled down although p is high: there "
    "missing labels hide."
)


def render(workspace: Workspace) -> None:
    """Draw the screen."""
    with st.spinner("Loading PyTorch …"):
        from labelmend_core.losses import LOSSES  # takes seconds, and no other screen needs it
    st.html(_STYLE)
    left, right = st.columns([1, 3], gap="medium")
    with left, st.container(key="lab_left"):
        st.title("Loss curves")
        chosen = st.multiselect(
            "Losses",
            sorted(LOSSES),
            default=_FIRST_LOSSES,
            key="losses",
            placeholder="Choose losses",
            wrap=True,
            bind="query-params",
        )
        kept = _lab_settings.kept()
        with st.container(key="lab_fields"):
            read = [_lab_settings.fields(LOSSES[name], opened=i < _OPENED) for i, name in enumerate(chosen)]
    live = [curve for curve, _ in read]
    with right:
        figure, axis_place, epoch_place, run_place = st.columns([3, 2, 2, 3])
        with axis_place:
            axis = _axis()
        with run_place:
            run = _run(workspace)
        with epoch_place:
            epoch = _epoch(disabled=run is not None)
        with figure:
            _lab_settings.figure_select(live, kept, axis, epoch)
        view = View(axis, epoch, {curve.loss: batch for curve, batch in read if batch is not None})
        if live or kept or run is not None:
            _figure(list(dict.fromkeys([*live, *kept])), view, run)
        else:
            st.info("Choose a loss to see its curves.")


def rows_of(curves: Sequence[Curve], view: View, run: Measured | None) -> pd.DataFrame:
    """Return all points of the figure as rows, the settings in columns of their own.

    Args:
        curves: what is drawn in theory.
        view: over what.
        run: what is drawn of a run; its rows, with a `run`, come last, their gradient a mean over `count` cells.
    """
    if run is None:
        return table(curves, view)
    theory = table(list(dict.fromkeys([run.curve, *curves])), replace(view, epoch=run.epoch), before=False)
    measured = run.gradients[run.gradients["epoch"] == run.epoch]
    pred_prob = (measured["p_low"] + measured["p_high"]) / 2
    target = measured["group"].map(_lab_figure.TARGET_OF)
    return pd.concat([theory, measured.assign(run=run.name, target=target, pred_prob=pred_prob)], ignore_index=True)


@st.fragment
def _figure(curves: Sequence[Curve], view: View, run: Measured | None) -> None:
    """Draw the chart and its bar; to stop at another epoch of the run draws only these again."""
    place = st.container(key="lab_chart")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if run is None:
            view = replace(view, same_height=_same_height())
            figure_bar(_CHART, _FILE)
        else:
            run = replace(run, epoch=_chosen_epoch(run))
            figure_bar(_CHART, _FILE, frames=run.epochs, frame=run.epoch, on_frame=lambda e: _stop_at(e, run))
        st.download_button(
            "CSV",
            lambda: safe_csv(rows_of(curves, view, run)),
            f"{_FILE}.csv",
            "text/csv",
            key="lab_csv",
            on_click="ignore",
            help="Every point that is drawn, with the settings in columns of their own.",
        )
    st.caption(_SIGN if run is None else _MEASURED)
    figure = _lab_figure.theory(curves, view) if run is None else _lab_figure.over_theory(curves, view, run)
    place.plotly_chart(figure, height="stretch", key=_CHART, config=_charts.CONFIG)


def _same_height() -> bool:
    return st.toggle(
        "Same height",
        key="same_height",
        bind="query-params",
        help="Divides each curve by its steepest gradient and lets its loss begin at 0, so that shapes compare where "
        "scales do not: a loss of cosines is divided by its scale, one that couples a batch is the loss of all of it.",
    )


def _axis() -> str:
    return str(
        st.segmented_control(
            "Horizontal axis",
            list(_lab_figure.AXES),
            default="pred_prob",
            format_func=lambda name: _lab_figure.AXES[name].rpartition(" ")[0],
            key="axis",
            required=True,
            bind="query-params",
        )
    )


def _epoch(*, disabled: bool) -> int:
    return int(
        st.number_input(
            "Epoch, from 0",
            0,
            1000,
            1,
            key="epoch",
            bind="query-params",
            disabled=disabled,
            help="Matters to losses with a schedule; dashed is what they were in epoch 0. A run brings its own epochs.",
        )
    )


def _run(workspace: Workspace) -> Measured | None:
    """Draw the list of runs and return what the chosen one recorded, None for no run."""
    records = {record.run_id: record for record in workspace.runs.all()}
    names = _runs.names(list(records.values()))
    run_id = _runs.choose("Measured in", {_NO_RUN: _NO_RUN, **names}, "run", first=_NO_RUN)
    if run_id == _NO_RUN:
        return None
    gradients = _runs.table(workspace.run_folder(run_id), "gradients")
    if gradients is None or gradients.empty:
        st.warning("No gradients so far; they come with the first finished epoch.")
        return None
    record = records[run_id]
    try:
        curve = Curve.of(record.loss, record.settings.get("hyperparameters", {}))
    except InputError as error:
        st.warning(str(error))
        return None
    return Measured(names[run_id], curve, gradients, int(gradients["epoch"].max()))


def _chosen_epoch(run: Measured) -> int:
    wanted = whole_number(st.query_params.get("measured_epoch"), run.epochs[-1])
    return wanted if wanted in run.epochs else run.epoch


def _stop_at(epoch: int, run: Measured) -> None:
    if epoch != run.epochs[-1]:
        st.query_params["measured_epoch"] = str(epoch)
    else:  # so that the address of a run that goes on shows its newest epoch
        st.query_params.pop("measured_epoch", None)
