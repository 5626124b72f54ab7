"""Loss curves: what each loss asks of a cell of a given probability, and what a run really measured."""

from collections.abc import Mapping, Sequence
from inspect import getdoc
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from labelmend_app.screens import _charts, _losses, _runs
from labelmend_core.curves import loss_curve
from labelmend_core.ledger import RunRecord
from labelmend_core.workspace import Workspace

if TYPE_CHECKING:
    from labelmend_core.losses import MultiLabelLoss

TARGETS = {1: "Given (1)", 0: "Unobserved (0)", -1: "Verified absent (−1)"}
_GRADIENT = "gradient dL/dz"
_AXES = {"pred_prob": "probability p", "logit": "logit z"}
_CHART_HEIGHT = 660

# What a run measures for each group of cells: its words, its colour, and the target that its loss saw.
GROUPS = {
    "positive": ("given", _charts.PRESENT, 1),
    "unobserved": ("unobserved", _charts.GIVEN, 0),
    "absent": ("verified absent", _charts.ABSENT, -1),
    "flagged": ("unobserved, p once above τ", _charts.SPURIOUS, 0),
}


def render(workspace: Workspace) -> None:
    """Draw the screen."""
    st.title("Loss curves")
    with st.spinner("Loading PyTorch …"):
        from labelmend_core.losses import LOSSES  # takes seconds, and no other screen needs it
    controls, chart = st.columns([1, 3])
    with controls:
        chosen = st.multiselect(
            "Losses",
            sorted(LOSSES),
            default=["bce", "splc"],
            key="losses",
            placeholder="Choose losses",
            wrap=True,
            bind="query-params",
        )
        epoch, axis = _view()
        with st.container(height=_CHART_HEIGHT - 260, border=False):
            settings = {name: _fields(LOSSES[name]) for name in chosen}
    with chart:
        if settings:
            st.plotly_chart(loss_chart(settings, epoch, axis), key="loss_curves", config=_charts.CONFIG)
            _notes(chosen)
        else:
            st.info("Choose a loss to see its curves.")
    _measured(workspace)


def loss_chart(settings: Mapping[str, Mapping[str, Any]], epoch: int, axis: str = "pred_prob") -> go.Figure:
    """Return loss (above) and gradient (below) of every chosen loss, a column for each target.

    Args:
        settings: hyperparameters by name, for each loss by name.
        epoch: 0-based.
        axis: "pred_prob" or "logit".
    """
    figure = make_subplots(
        2, 3, subplot_titles=list(TARGETS.values()), shared_xaxes=True, horizontal_spacing=0.04, vertical_spacing=0.06
    )
    curves = {
        (name, target): loss_curve(name, target, epoch=epoch, **hyperparameters)
        for name, hyperparameters in settings.items()
        for target in TARGETS
    }
    for row, (quantity, words) in enumerate({"loss": "loss of one cell", "gradient": _GRADIENT}.items(), start=1):
        for column, target in enumerate(TARGETS, start=1):
            for name, colour in zip(settings, cycle(_charts.SERIES), strict=False):
                line = go.Scatter(
                    x=curves[name, target][axis],
                    y=curves[name, target][quantity],
                    name=name,
                    legendgroup=name,
                    showlegend=row == column == 1,
                    line={"color": colour, "width": 2},
                    hovertemplate="%{y:.3f}",
                )
                figure.add_trace(line, row=row, col=column)
        # One range a row, so that the targets compare.
        low, high = (f(f(curve[quantity]) for curve in curves.values()) for f in (min, max))
        margin = 0.05 * (high - low)
        figure.update_yaxes(range=[low - margin, high + margin], row=row)
        figure.update_yaxes(title_text=words, row=row, col=1)
    figure.update_xaxes(title_text=_AXES[axis], row=2)
    if axis == "pred_prob":
        figure.update_xaxes(range=[0, 1])
    figure.update_layout(hovermode="x unified")
    return _charts.layout(figure, "Loss and gradient of one cell, by its target", _CHART_HEIGHT)


def gradient_chart(measured: pd.DataFrame, record: RunRecord, epoch: int) -> go.Figure:
    """Return what a run measured in one epoch over the curves of its loss, and how many cells stand behind it.

    Args:
        measured: rows of `gradients.parquet`, of one epoch.
        record: the run.
        epoch: 0-based.
    """
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.06)
    for group, (words, colour, target) in GROUPS.items():
        points = measured[measured["group"] == group]
        if points.empty:
            continue
        if group != "flagged":  # its curve is that of the unobserved
            curve = loss_curve(record.loss, target, epoch=epoch, **record.settings.get("hyperparameters", {}))
            figure.add_trace(_dotted(curve, group, colour), 1, 1)
        spots, bars = _measurements(points, group, words, colour)
        figure.add_trace(spots, 1, 1)
        figure.add_trace(bars, 2, 1)
    figure.update_xaxes(range=[0, 1])
    figure.update_xaxes(title_text=_AXES["pred_prob"], row=2)
    figure.update_yaxes(title_text=f"mean {_GRADIENT}", row=1, zeroline=True)
    figure.update_yaxes(title_text="cells", type="log", row=2)
    return _charts.layout(figure, f"Measured gradients, epoch {epoch} counted from 0", 600)


def _dotted(curve: pd.DataFrame, group: str, colour: str) -> go.Scatter:
    return go.Scatter(
        x=curve["pred_prob"],
        y=curve["gradient"],
        line={"color": colour, "width": 1.5, "dash": "dot"},
        legendgroup=group,
        showlegend=False,
        hoverinfo="skip",
    )


def _measurements(points: pd.DataFrame, group: str, words: str, colour: str) -> tuple[go.Scatter, go.Bar]:
    """Return the mean gradients of one group of cells, and how many cells each bin holds."""
    middle = (points["p_low"] + points["p_high"]) / 2
    spots = go.Scatter(
        x=middle,
        y=points["gradient"],
        mode="markers+lines",
        marker={"color": colour, "size": 8},
        line={"color": colour, "width": 1},
        name=words,
        legendgroup=group,
        customdata=points[["p_low", "p_high", "count"]],
        hovertemplate="p %{customdata[0]:.2f}–%{customdata[1]:.2f}: mean gradient %{y:.3f} of %{customdata[2]:,} cells",
    )
    bars = go.Bar(
        x=middle,
        y=points["count"],
        marker_color=colour,
        name=words,
        legendgroup=group,
        showlegend=False,
        hovertemplate="p around %{x:.2f}: %{y:,} cells",
    )
    return spots, bars


def _view() -> tuple[int, str]:
    """Draw and return the epoch and the horizontal axis."""
    epoch = st.number_input(
        "Epoch, counted from 0", 0, 1000, 1, key="epoch", bind="query-params", help="Matters to losses with a schedule."
    )
    axis = st.segmented_control(
        "Horizontal axis",
        list(_AXES),
        default="pred_prob",
        format_func=lambda name: _AXES[name].rpartition(" ")[0],
        key="axis",
        required=True,
        bind="query-params",
    )
    return int(epoch), str(axis)


def _fields(loss: "type[MultiLabelLoss]") -> dict[str, _losses.Value]:
    """Draw a box with the formula and the hyperparameters of one loss and return their values."""
    formula, _, _ = (getdoc(loss) or "").partition("\n")
    with st.container(border=True):
        st.markdown(f"**{loss.name}**", help=f"`{formula}`")
        return {row.name: _losses.field(row, f"lab.{loss.name}.{row.name}") for row in loss.hyperparameters}


def _notes(chosen: Sequence[str]) -> None:
    st.caption("A positive gradient pushes the probability down, a negative one up.")
    if "pu_mlc" in chosen:
        st.caption(
            "pu_mlc couples the cells of a batch: drawn is one cell that varies among 63 fixed ones, and the loss is "
            "that of the whole batch."
        )


def _measured(workspace: Workspace) -> None:
    st.subheader("Measured in a run")
    names = _runs.names(workspace.runs.all())
    if not names:
        st.info(
            "No run so far. Every run records its gradients: start one under **Train**.",
            icon=":material/arrow_forward:",
        )
        return
    run_id = _runs.choose("Run", names, "run", first=next(iter(names)))
    gradients = _runs.table(workspace.run_folder(run_id), "gradients")
    if gradients is None or gradients.empty:
        st.info("This run has recorded no gradients so far; they come with its first finished epoch.")
        return
    epochs = sorted(int(epoch) for epoch in gradients["epoch"].unique())
    epoch = epochs[-1]
    if len(epochs) > 1:
        epoch = st.select_slider("Epoch, counted from 0", epochs, epochs[-1], key="measured_epoch", bind="query-params")
    measured = gradients[gradients["epoch"] == epoch]
    chart = gradient_chart(measured, workspace.runs.get(run_id), int(epoch))
    st.plotly_chart(chart, key="measured_gradients", config=_charts.CONFIG)
    st.caption(
        "Mean over all cells of a bin of predicted probability, in training. Dotted: what the loss says for such a "
        "cell. Unobserved cells that training keeps pulling down although p is high: there missing labels hide."
    )
