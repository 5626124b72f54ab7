"""Two maps of cells, by how they were learned and by what their images look like; a lasso takes cells from them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from labelmend_app.explore.cells import Known, keys
from labelmend_app.explore.filters import CLASS
from labelmend_app.explore.maps import MOST_DRAWN, Points, feature_points, learning_points
from labelmend_app.review.picked_queue import SELECTION
from labelmend_app.screens import _charts
from labelmend_app.screens._explore_points import by_decision, by_given, by_p
from labelmend_app.screens._explore_result import first_page, keep, result, selection_in_address
from labelmend_app.whole_number import whole_number
from labelmend_core.errors import InputError

CELLS, COLOUR = "cells", "colour"  # in the address
_SUGGESTED, _EVERY = "suggested", "every"
_CELLS = {_SUGGESTED: "Suggestions", _EVERY: "All cells"}
_BY = {"decision": "Kind and decision", "given": "Given label", "p": "p of the class"}
_HEIGHT = 560
_BESIDE = 24  # pictures beside a map
_LASSO = {**_charts.CONFIG, "modeBarButtonsToRemove": ["autoScale2d"], "scrollZoom": True}


def learning_view(known: Known) -> None:
    """Draw the map of how cells were learned."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        class_index = _choose_class(known, anything=True)
        every = _choose_cells()
    points = learning_points(known, class_index, suggested=not every)
    if points is None:
        st.info(
            "This run kept nothing of how it learned. Train another one on the **Train** screen, and suggest from it.",
            icon=":material/model_training:",
        )
        return

    def draw(shown: Points, cells: pd.DataFrame) -> go.Figure:
        figure = go.Figure(by_decision(known, shown, cells))
        figure.update_xaxes(title_text="mean p of the class over the epochs, 0 to 1", range=[-0.02, 1.02])
        figure.update_yaxes(title_text="variability: standard deviation of p", rangemode="tozero")
        return figure

    def again() -> Points | None:
        return learning_points(known, class_index, suggested=not every)

    st.caption(
        "A missing label lies on the right: the network came to believe in a class that is not labelled. A spurious "
        "one lies on the left. Above lie the cells that it could not make up its mind about."
    )
    _map(known, points, draw, again, "How each cell was learned", f"learning_{class_index}_{every}")


def feature_view(known: Known) -> None:
    """Draw the map of what images look like."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        class_index = _choose_class(known, anything=False)
        every = _choose_cells()
        colour = _choose(_BY, COLOUR, "Colour")
    points = _features(known, class_index, every)
    if points is None:
        st.info(
            "This run kept no features: a network that was trained whole (finetune) has none. Train a **probe** on the "
            "**Train** screen, which keeps them, and suggest from it.",
            icon=":material/scatter_plot:",
        )
        return

    def draw(shown: Points, cells: pd.DataFrame) -> go.Figure:
        traces = {"given": by_given, "p": by_p}.get(colour, by_decision)(known, shown, cells)
        figure = go.Figure(traces)
        figure.update_xaxes(title_text="first principal component of the features")
        figure.update_yaxes(title_text="second principal component")
        return figure

    def again() -> Points | None:
        return feature_points(known, class_index, suggested=not every)

    st.caption("Images that look alike to the network lie near each other.")
    _map(known, points, draw, again, "What the images look like", f"features_{class_index}_{every}")


def _features(known: Known, class_index: int, every: bool) -> Points | None:
    place = st.empty()

    def progress(share: float) -> None:
        place.progress(share, "Laying the features out on a plane; once for each network …")

    points = feature_points(known, class_index, suggested=not every, progress=progress)
    place.empty()
    return points


def _map(
    known: Known,
    points: Points,
    draw: Callable[[Points, pd.DataFrame], go.Figure],
    again: Callable[[], Points | None],
    title: str,
    name: str,
) -> None:
    """Draw a map beside what is selected in it; `name` is of this map and no other."""
    if not len(points.x):
        st.info("There is no such cell: choose another class, or **All cells**.")
        return
    chosen = points.drawn()
    shown = points.take(chosen)
    figure = draw(shown, known.table(shown.images, shown.classes))
    figure.update_layout(dragmode="lasso")
    _highlight(known, figure)
    _charts.layout(figure, title, _HEIGHT)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.plotly_chart(
            figure,
            key=f"explore_{name}",
            config=_LASSO,
            on_select=lambda: _selected(known, again, f"explore_{name}"),
            selection_mode=("lasso", "box"),
            alt=f"{title}: {len(points.x):,} cells",
        )
        if len(chosen) < len(points.x):
            st.caption(
                f"Drawn, and counted above, are {MOST_DRAWN:,} of {len(points.x):,} cells, each with the same chance; "
                "what you draw around them selects among all."
            )
    with right:
        _selection(known, len(points.x))


def _highlight(known: Known, figure: go.Figure) -> None:
    """Show on the map what the address selects, also after a reload and on the other map."""
    selection = selection_in_address(known)
    chosen = np.zeros(0, dtype=np.int64)
    if selection is not None:
        cells = known.workspace.selections.load(selection)
        chosen = keys(cells["image_index"].to_numpy(), cells["class_index"].to_numpy())
    for trace in figure.data:
        if len(chosen):
            trace.selectedpoints = np.flatnonzero(np.isin(trace.customdata, chosen))
        trace.customdata = None  # it has served


def _selection(known: Known, n: int) -> None:
    """Draw what was selected, or how to select."""
    key = selection_in_address(known)
    if st.session_state.pop("explore_empty", False):
        st.info("No cell lies in there: draw around some points.")
    if key is None:
        st.info(
            f"Draw around some of the {n:,} cells with the mouse, or take the box in the bar above the chart: what "
            "lies in there comes here.",
            icon=":material/gesture_select:",
        )
        return
    cells = known.workspace.selections.load(key)
    cells = known.table(cells["image_index"].to_numpy(), cells["class_index"].to_numpy())
    result(known, cells, what="selected cell", on_a_page=_BESIDE)
    st.button("Let go of them", type="tertiary", icon=":material/deselect:", key="explore_let_go", on_click=_let_go)


def _let_go() -> None:
    first_page()
    st.query_params.pop(SELECTION, None)


def _selected(known: Known, again: Callable[[], Points | None], key: str) -> None:
    """Keep what was drawn around, so that the address leads back to it."""
    drawn = st.session_state[key].selection
    shapes = {"box": list(drawn["box"]), "lasso": list(drawn["lasso"])}
    points = again()
    if points is None or not (shapes["box"] or shapes["lasso"]):
        return
    inside = points.take(points.within(shapes))
    st.session_state["explore_empty"] = not len(inside.x)
    if len(inside.x):
        first_page()
        try:
            st.query_params[SELECTION] = keep(known, known.table(inside.images, inside.classes))
        except InputError as error:
            st.toast(str(error), icon=":material/error:")


def _choose_class(known: Known, *, anything: bool) -> Any:
    names = known.workspace.dataset.class_names
    counts = np.bincount(known.places.class_index, minlength=len(names))
    order = np.argsort(-counts, kind="stable").tolist()
    asked = whole_number(st.query_params.get(CLASS), len(names) - 1)
    chosen = asked if asked is not None or anything else order[0]
    st.session_state["explore_map_class"] = chosen
    st.selectbox(
        "Class",
        order,
        index=None,
        key="explore_map_class",
        format_func=lambda k: f"{names[k]} ({counts[k]:,} suggested)",
        placeholder="All classes",
        on_change=_write_class,
        width=300,
    )
    return chosen


def _write_class() -> None:
    _let_go()
    k = st.session_state["explore_map_class"]
    if k is None:
        st.query_params.pop(CLASS, None)
    else:
        st.query_params[CLASS] = str(k)


def _choose_cells() -> bool:
    return _choose(_CELLS, CELLS, "Cells") == _EVERY


def _choose(options: dict[str, str], name: str, label: str) -> str:
    key = f"explore_map_{name}"
    asked = st.query_params.get(name, "")
    chosen = asked if asked in options else next(iter(options))
    st.session_state[key] = chosen

    def write() -> None:
        st.query_params[name] = st.session_state[key]

    st.segmented_control(label, list(options), key=key, required=True, format_func=options.__getitem__, on_change=write)
    return chosen
