"""The figures of the loss lab: theory alone, or under what a run measured, epoch by epoch."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from labelmend_app.screens import _charts
from labelmend_app.screens._lab_curves import Curve, View
from labelmend_core.gradient_groups import GROUP_WORDS

TARGETS = {1: "Given (1)", 0: "Unobserved (0)", -1: "Verified absent (−1)"}
AXES = {"pred_prob": "probability p", "logit": "logit z"}
_GRADIENT = "gradient dL/dz"
_DASHES = ("solid", "dashdot", "dot")  # each serves for as many curves as there are colours
_LEGEND_WIDTH = 860  # px, the chart on a laptop

# Of each group of cells that a run measures: the target that its loss saw, and its mark.
TARGET_OF = {"positive": 1, "unobserved": 0, "absent": -1, "flagged": 0, "planted": 0}
_MARKS = {"positive": "circle", "unobserved": "square", "absent": "circle", "flagged": "diamond", "planted": "star"}
# Beside the colours of the groups.
_BESIDE_GROUPS = ("#d55e00", "#7ac4f0", "#b8a200", *_charts.SERIES)


@dataclass(frozen=True)
class Measured:
    """What a run recorded.

    Attributes:
        name: of the run, in words.
        curve: its loss and settings.
        gradients: as in `gradients.parquet`.
        epoch: the one to show.
    """

    name: str
    curve: Curve
    gradients: pd.DataFrame
    epoch: int

    @property
    def epochs(self) -> list[int]:
        """Those that were recorded, ascending."""
        return sorted(int(epoch) for epoch in self.gradients["epoch"].unique())

    def at(self, epoch: int, group: str, axis: str) -> pd.DataFrame:
        """Return the rows of an epoch and a group, with the middle of each bin on the axis as `middle`."""
        rows = self.gradients[(self.gradients["epoch"] == epoch) & (self.gradients["group"] == group)]
        middle = (rows["p_low"] + rows["p_high"]) / 2
        return rows.assign(middle=np.log(middle / (1 - middle)) if axis == "logit" else middle)


def theory(curves: Sequence[Curve], view: View) -> go.Figure:
    """Return loss (above) and gradient (below) of the curves, a column for each target.

    Where a schedule has changed a loss, it is drawn as it was in epoch 0 as well, dashed.
    """
    figure = _panels({"loss of one cell": 0.5, _GRADIENT: 0.5}, view.axis)
    names: list[str] = []
    for curve, colour, dash in _styled(curves, _charts.SERIES):
        drawn = [(curve.text, view.epoch, {"color": colour, "width": 2, "dash": dash})]
        if view.differs(curve, 0):
            drawn.append((f"{curve.text}, epoch 0", 0, {"color": colour, "width": 1.5, "dash": "dash"}))
        for name, epoch, line in drawn:
            names.append(name)
            for row, quantity in enumerate(("loss", "gradient"), start=1):
                for column, target in enumerate(TARGETS, start=1):
                    points = view.points(curve, target, epoch)
                    first = row == column == 1
                    figure.add_trace(_line(points, view.axis, quantity, name, line, legend=first), row, column)
    for row in (1, 2):
        _range(figure, row, [trace.y for trace in figure.select_traces(row=row)])
    return _charts.under_legend(figure, names, _LEGEND_WIDTH)


def over_theory(curves: Sequence[Curve], view: View, run: Measured) -> go.Figure:
    """Return the gradients that a run measured over those of the curves, and how many cells stand behind them.

    Dotted is what the run's own loss says. The figure has a frame for each epoch.
    """
    figure = _panels({f"mean {_GRADIENT}": 0.62, "cells": 0.38}, view.axis)
    film = _Film(figure, run)
    _add_theory(film, curves, view)
    _add_measured(film, view)
    _range(figure, 1, [trace.y for trace in figure.select_traces(row=1)] + [run.gradients["gradient"]])
    most = math.log10(max(run.gradients["count"].max(), 10))
    figure.update_yaxes(type="log", dtick=1, range=[-0.2, most + 0.2], row=2)
    figure.frames = film.frames()
    return _charts.under_legend(figure, film.names, _LEGEND_WIDTH, title=_title(run, run.epoch))


Part = Callable[[int], dict[str, Any]]


class _Film:
    """A figure under construction, and what changes in it from epoch to epoch."""

    def __init__(self, figure: go.Figure, run: Measured) -> None:
        self.figure, self.run = figure, run
        self.names: list[str] = []
        self._moving: list[tuple[int, Part]] = []

    def add(self, trace: go.Scatter, row: int, column: int, moving: Part | None = None) -> None:
        """Add a trace, and what it shows in an epoch if that is not always the same."""
        self.figure.add_trace(trace, row, column)
        if trace.showlegend:
            self.names.append(trace.name)
        if moving is not None:
            self._moving.append((len(self.figure.data) - 1, moving))

    def frames(self) -> list[go.Frame]:
        """Return a frame for each epoch of the run, named by it."""
        return [
            go.Frame(
                name=str(epoch),
                data=[go.Scatter(**part(epoch)) for _, part in self._moving],
                traces=[place for place, _ in self._moving],
                layout={"title": {"text": f"<b>{_title(self.run, epoch)}</b>"}},  # as Streamlit makes the first
            )
            for epoch in self.run.epochs
        ]


def _add_theory(film: _Film, curves: Sequence[Curve], view: View) -> None:
    """Add the gradient of the run's own loss, dotted in the colours of the groups, and of the others."""
    run = film.run
    drawn = [(run.curve, f"{run.curve.text}, the run's loss", {"width": 2, "dash": "dot"})]
    for curve, colour, dash in _styled([curve for curve in curves if curve != run.curve], _BESIDE_GROUPS):
        drawn.append((curve, curve.text, {"color": colour, "width": 1.5, "dash": dash}))
    own = {target: _charts.GROUPS[group] for group, target in reversed(TARGET_OF.items())}
    for curve, name, line in drawn:
        varies = view.varies(curve, run.epochs)
        for column, target in enumerate(TARGETS, start=1):

            def part(epoch: int, curve: Curve = curve, target: int = target) -> dict[str, Any]:
                return {"y": view.points(curve, target, epoch)["gradient"]}

            points = view.points(curve, target, run.epoch)
            trace = _line(points, view.axis, "gradient", name, {"color": own[target], **line}, legend=column == 1)
            film.add(trace, 1, column, part if varies else None)


def _add_measured(film: _Film, view: View) -> None:
    """Add mean gradients and numbers of cells of every group that the run has recorded."""
    recorded = set(film.run.gradients["group"])
    for group, words in GROUP_WORDS.items():
        if group not in recorded:
            continue

        def spots(epoch: int, group: str = group) -> dict[str, Any]:
            rows = film.run.at(epoch, group, view.axis)
            cells = rows[["p_low", "p_high", "count"]]
            return {"x": rows["middle"], "y": rows["gradient"], "customdata": cells}

        def cells(epoch: int, group: str = group) -> dict[str, Any]:
            rows = film.run.at(epoch, group, view.axis)
            return {"x": rows["middle"], "y": rows["count"]}

        parts: list[tuple[int, Part, int, str]] = [(1, spots, 9, _HOVER), (2, cells, 4, "%{y:,} cells")]
        for row, part, size, hover in parts:
            trace = go.Scatter(
                **part(film.run.epoch),
                name=words,
                legendgroup=group,
                showlegend=row == 1,
                mode="lines+markers",
                marker={"color": _charts.GROUPS[group], "symbol": _MARKS[group], "size": size},
                line={"color": _charts.GROUPS[group], "width": 1},
                hovertemplate=hover,
            )
            film.add(trace, row, list(TARGETS).index(TARGET_OF[group]) + 1, part)


_HOVER = "p %{customdata[0]:.2f}–%{customdata[1]:.2f}: mean %{y:.3f} of %{customdata[2]:,} cells"


def _title(run: Measured, epoch: int) -> str:
    return f"{_charts.plain(run.name)} · epoch {epoch} of {run.epochs[-1]}"


def _styled(curves: Sequence[Curve], colours: Sequence[str]) -> list[tuple[Curve, str, str]]:
    """Return a colour and a dash for each curve, none twice as long as there are enough."""
    return [
        (curve, colours[i % len(colours)], _DASHES[i // len(colours) % len(_DASHES)]) for i, curve in enumerate(curves)
    ]


def _panels(rows: dict[str, float], axis: str) -> go.Figure:
    """Return empty charts: a row for each quantity, with its share of the height, a column for each target."""
    figure = make_subplots(
        len(rows),
        len(TARGETS),
        subplot_titles=list(TARGETS.values()),
        shared_xaxes="all",
        shared_yaxes=True,
        horizontal_spacing=0.025,
        vertical_spacing=0.05,
        row_heights=list(rows.values()),
    )
    for row, words in enumerate(rows, start=1):
        figure.update_yaxes(title_text=words, row=row, col=1)
    figure.update_xaxes(title_text=AXES[axis], row=len(rows))
    figure.update_yaxes(zeroline=True, zerolinewidth=1, zerolinecolor=_charts.GIVEN)
    figure.update_xaxes(range=[0, 1] if axis == "pred_prob" else [-6, 6], zeroline=False)
    figure.update_layout(hovermode="x unified", uirevision=f"{axis} {list(rows)}")
    return figure


def _line(
    points: pd.DataFrame, axis: str, quantity: str, name: str, line: dict[str, Any], *, legend: bool
) -> go.Scatter:
    return go.Scatter(
        x=points[axis],
        y=points[quantity],
        name=name,
        legendgroup=name,
        showlegend=legend,
        mode="lines",
        line=line,
        hovertemplate="%{y:.3f}",
    )


def _range(figure: go.Figure, row: int, values: Sequence[Any]) -> None:
    """Give all charts of a row the range of all values, so that the targets compare."""
    filled = [np.asarray(some, dtype=np.float64) for some in values if len(some)]
    low, high = (f(f(some) for some in filled) for f in (min, max)) if filled else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.05
    figure.update_yaxes(range=[low - margin, high + margin], row=row)
