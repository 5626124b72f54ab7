"""The points of a map as plotly draws them: coloured by decision, by given label or by p."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from labelmend_app.explore.cells import Known, State, keys
from labelmend_app.explore.maps import Points, p_of_class
from labelmend_app.screens import _charts
from labelmend_core.types import ABSENT, PRESENT

_MOST_SVG = 3_000  # points that are drawn without WebGL

# What a point is, in the order in which they are drawn over one another: name, colour.
_OTHER = "not suspected"
_GROUPS = {
    _OTHER: _charts.GIVEN,
    "missing, open": _charts.MISSING,
    "spurious, open": _charts.SPURIOUS,
    "accepted": _charts.PRESENT,
    "rejected": _charts.ABSENT,
    "unsure": "#b8a200",
}
_GIVEN = {
    0: ("not given", _charts.GIVEN),
    ABSENT: ("given as absent", _charts.ABSENT),
    PRESENT: ("given", _charts.MISSING),
}


def by_decision(known: Known, points: Points, cells: pd.DataFrame) -> list[go.Scatter]:
    """Return the points by kind and decision, what nobody suspects below the others."""
    open_ = cells["state"].isin([State.OPEN.value, State.SKIPPED.value]).to_numpy()
    group = np.where(open_, cells["kind"].astype(str) + ", open", cells["state"].astype(str))
    group[open_ & cells["probability"].isna().to_numpy()] = _OTHER
    return _traces(known, points, cells, [(name, colour, group == name) for name, colour in _GROUPS.items()])


def by_given(known: Known, points: Points, cells: pd.DataFrame) -> list[go.Scatter]:
    """Return the points by the given label of their class."""
    given = known.workspace.dataset.given_labels.values(points.images, points.classes)
    groups = [(name, colour, given == value) for value, (name, colour) in _GIVEN.items()]
    return _traces(known, points, cells, groups)


def by_p(known: Known, points: Points, cells: pd.DataFrame) -> list[go.Scatter]:
    """Return the points by p of their class, which must be one; by decision where the run has no p."""
    p = p_of_class(known, int(points.classes[0]))
    if p is None:
        return by_decision(known, points, cells)
    order = np.argsort(p[points.images], kind="stable")  # the likely ones on top
    points, cells = points.take(order), cells.iloc[order]
    trace = _trace(known, points, cells, "", p[points.images])
    trace.marker.update(
        colorscale=[(0, _charts.GIVEN), (0.5, _charts.MISSING), (1, _charts.SPURIOUS)],  # seen on white and on black
        cmin=0,
        cmax=1,
        showscale=True,
        opacity=0.8,
        colorbar={"title": {"text": "p of the class", "side": "right"}, "thickness": 12},
    )
    trace.showlegend = False
    return [trace]


def _traces(
    known: Known, points: Points, cells: pd.DataFrame, groups: Sequence[tuple[str, str, NDArray[np.bool_]]]
) -> list[go.Scatter]:
    return [
        _trace(known, points.take(here), cells[here], f"{name} ({int(here.sum()):,})", colour)
        for name, colour, here in groups
        if here.any()
    ]


def _trace(known: Known, points: Points, cells: pd.DataFrame, name: str, colour: Any) -> go.Scatter:
    dataset = known.workspace.dataset
    classes = {k: _charts.plain(dataset.class_names[k], 40) for k in np.unique(points.classes).tolist()}
    likely = ["not suspected" if np.isnan(p) else f"{100 * p:.0f} % likely" for p in cells["probability"]]
    said = [
        f"{_charts.plain(dataset.image_ids[i], 60)}<br>{classes[k]}, {kind}: {p}"
        for i, k, kind, p in zip(points.images.tolist(), points.classes.tolist(), cells["kind"], likely, strict=True)
    ]
    draw: Any = go.Scatter if len(cells) <= _MOST_SVG else go.Scattergl
    few = name.startswith(_OTHER) or name.startswith("not given")
    trace: go.Scatter = draw(
        x=points.x,
        y=points.y,
        mode="markers",
        name=name,
        text=said,
        customdata=keys(points.images, points.classes),
        hovertemplate="%{text}<extra></extra>",
        marker={"color": colour, "size": 5 if few else 7, "opacity": 0.45 if few else 0.85},
        unselected={"marker": {"opacity": 0.15}},
    )
    return trace
