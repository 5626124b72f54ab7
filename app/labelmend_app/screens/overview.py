"""Overview: what was given, what is suspected, what was answered, and what to do next."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from labelmend_app.class_counts import Counts, class_counts, together
from labelmend_app.jobs import jobs
from labelmend_app.number_words import about
from labelmend_app.remaining import remaining_columns, remaining_sentences
from labelmend_app.screens import _charts
from labelmend_app.screens._retrain import retrain
from labelmend_core.types import LabelMatrix
from labelmend_core.workspace import Workspace

_CHART_CLASSES = 30
_LEVEL = 100  # letters below the heat map that fit side by side
_COUNTS = {
    "given": "Given labels",
    "negatives": "Verified absent",
    "missing": "Suspected missing",
    "spurious": "Suspected spurious",
    "answered": "Answered",
    "open": "Still open",
}


def render(workspace: Workspace) -> None:
    """Draw the screen."""
    st.title("Overview")
    counts = _counts(workspace, *_version(workspace))
    _numbers(workspace, counts)
    _next_step(workspace, counts)
    retrain(workspace)
    _remaining(counts)
    _unreadable(workspace)
    with st.container(horizontal=True, gap="medium"):  # side by side where there is room for both
        with st.container(width=_charts.PANEL_WIDTH):
            _classes(counts)
        with st.container(width=_charts.PANEL_WIDTH):
            _together(workspace)


def _version(workspace: Workspace) -> tuple[str, int, tuple[int, ...]]:
    """Return a key that changes whenever the database does: a decision, a suggestion, a run."""
    return str(workspace.folder.resolve()), workspace.ledger.count(), workspace.change_stamp()


@st.cache_data(show_spinner="Counting labels …", max_entries=4)
def _counts(_workspace: Workspace, folder: str, events: int, stamps: tuple[int, ...]) -> Counts:
    return class_counts(_workspace)


def _numbers(workspace: Workspace, counts: Counts) -> None:
    dataset, validation = workspace.dataset, workspace.validation
    n, k = dataset.given_labels.shape
    given = int(counts.table["given"].sum())
    unreadable = len(workspace.catalog.problems())
    numbers = (
        (
            "Images to train on",
            n,
            f"and {len(validation.paths):,} for validation" if validation else "none for validation",
        ),
        ("Classes", k, f"{int((counts.table['given'] > 0).sum()):,} with a given label"),
        ("Given labels", given, f"{given / n:.2f} for each image"),
        ("Verified absent", int(counts.table["negatives"].sum()), "somebody looked"),
        ("Decisions", counts.decisions, f"{counts.corrections:,} labels corrected"),
        ("Unreadable images", unreadable, "listed below" if unreadable else "of those opened so far"),
    )
    for column, (label, value, below) in zip(st.columns(len(numbers)), numbers, strict=True):
        with column.container(border=True, height="stretch", gap=None):
            st.metric(label, f"{value:,}")
            st.caption(below)


def _next_step(workspace: Workspace, counts: Counts) -> None:
    runs = workspace.runs.all()
    still_open, suggested = int(counts.table["open"].sum()), int(counts.table[["missing", "spurious"]].sum().sum())
    if jobs.running(workspace) is not None:
        st.info("A training is running: see **Train** for its curves.", icon=":material/model_training:")
    elif not runs:
        st.info(
            "Next: open **Train** and start a first run on the given labels. What the network doubts "
            "becomes suggestions.",
            icon=":material/arrow_forward:",
        )
    elif counts.run_id is None:
        st.info(
            "There is a run but no suggestion yet. Next: open **Train** and press *Find suspicious labels*, "
            "or run `labelmend suggest`.",
            icon=":material/arrow_forward:",
        )
    elif still_open:
        st.info(
            f"Next: open **Review**. {still_open:,} of {suggested:,} suggestions of run `{counts.run_id}` are open, "
            f"with about {about(counts.expected)} errors among them.",
            icon=":material/arrow_forward:",
        )
    else:
        st.success(
            f"All {suggested:,} suggestions of run `{counts.run_id}` are answered. Next: **Train** on the corrected "
            "labels for new suggestions, or **Export**.",
            icon=":material/done_all:",
        )


def _remaining(counts: Counts) -> None:
    """Say how many errors are left, from the cells that the review asks at random."""
    if counts.left:
        st.info("\n\n".join(remaining_sentences(counts.left)), icon=":material/flag:")


def _unreadable(workspace: Workspace) -> None:
    problems = workspace.catalog.problems()
    if not problems:
        return
    ids = [*workspace.dataset.image_ids, *(workspace.validation.image_ids if workspace.validation else ())]
    with st.expander(
        f"{len(problems):,} images cannot be read and are left out of training", icon=":material/warning:"
    ):
        rows = [{"Image": ids[index], "Why": why} for index, why in problems.items()]
        st.dataframe(pd.DataFrame(rows), hide_index=True, height=min(38 * len(rows) + 40, 400))


def _classes(counts: Counts) -> None:
    st.subheader("Classes")
    if counts.run_id is not None:
        st.caption(f"Numbers of images. Suspected: suggestions of run {counts.run_id}.")
    else:
        st.caption("Numbers of images. Suspected labels appear once a run has made suggestions.")
    table = counts.table.assign(**remaining_columns(counts.left))
    table = table.iloc[_most_suspected(counts.table)].rename(columns={"name": "Class", **_COUNTS})
    whole = {label: st.column_config.NumberColumn(format="localized") for label in _COUNTS.values()}
    st.dataframe(
        table,
        hide_index=True,
        height=min(35 * len(table) + 38, 420),
        column_config={"Class": st.column_config.TextColumn(pinned=True, width="medium"), **whole},
    )
    st.plotly_chart(_class_chart(counts), key="overview_classes", config=_charts.CONFIG)


def _class_chart(counts: Counts) -> go.Figure:
    """Return bars of the classes with most suspected labels, the first on top."""
    shown = counts.table.iloc[_most_suspected(counts.table)[:_CHART_CLASSES]]
    place = list(range(len(shown)))
    names = [_charts.plain(name) for name in shown["name"]]
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.03, column_widths=[0.4, 0.6])
    for key, colour, column in (
        ("given", _charts.GIVEN, 1),
        ("missing", _charts.MISSING, 2),
        ("spurious", _charts.SPURIOUS, 2),
    ):
        bar = go.Bar(
            x=shown[key],
            y=place,
            name=_COUNTS[key],
            orientation="h",
            marker_color=colour,
            customdata=names,
            hovertemplate="%{customdata}: %{x:,} images",
        )
        figure.add_trace(bar, row=1, col=column)
    figure.update_layout(barmode="stack", bargap=0.25)
    figure.update_yaxes(autorange="reversed", **_charts.class_ticks(list(shown["name"])))
    figure.update_yaxes(title_text="Class", col=1)
    figure.update_xaxes(tickformat=",d")  # as the table has it
    figure.update_xaxes(title_text="Images with the given label", col=1)
    figure.update_xaxes(title_text="Images with a suspected error", col=2)
    few = f", the {len(shown)} with most suspected errors" if len(counts.table) > len(shown) else ""
    return _charts.layout(figure, f"Given and suspected labels by class{few}", 20 * len(shown) + 150)


def _most_suspected(table: pd.DataFrame) -> NDArray[np.int64]:
    """Return the rows of classes, most suspected labels first, then most given labels."""
    return np.lexsort((-table["given"], -(table["missing"] + table["spurious"])))


def _together(workspace: Workspace) -> None:
    st.subheader("Which classes occur together")
    given = workspace.dataset.given_labels
    chosen, counts = _pairs(given, str(workspace.folder.resolve()))
    if len(chosen) < 2:
        st.info("At least two classes need a given label for this chart.")
        return
    names = [workspace.dataset.class_names[k] for k in chosen]
    left_out = given.shape[1] - len(chosen)
    if left_out:
        st.caption(f"The {len(chosen)} most frequent classes; {left_out:,} with fewer or no given labels left out.")
    st.plotly_chart(_pair_chart(names, counts), key="overview_together", config=_charts.CONFIG)


@st.cache_data(show_spinner=False, max_entries=2)
def _pairs(_labels: LabelMatrix, folder: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return together(_labels)  # the given labels of a workspace never change


def _pair_chart(names: list[str], counts: NDArray[np.int64]) -> go.Figure:
    """Heat map: of the images with the class of the row, the share that carry the class of the column too."""
    own = np.diag(counts)
    share = counts / own[:, None]
    np.fill_diagonal(share, np.nan)  # it is 1 and would hide the rest
    names_ = np.array([_charts.plain(name) for name in names])
    about: Any = np.dstack([np.broadcast_to(names_[:, None], counts.shape), np.broadcast_to(names_, counts.shape)])
    heat = go.Heatmap(
        z=share,
        customdata=np.dstack([about, counts, np.broadcast_to(own[:, None], counts.shape)]),
        hovertemplate="%{customdata[2]} of the %{customdata[3]} images with %{customdata[0]}<br>"
        "carry %{customdata[1]} too (%{z:.1%})<extra></extra>",
        hoverongaps=False,
        colorscale=[(0, "rgba(47,134,214,0)"), (1, "rgba(47,134,214,1)")],  # on white and on black alike
        zmin=0,
        colorbar={
            "title": {"text": "share of the row's images", "side": "right"},
            "tickformat": ".0%",
            "thickness": 12,
        },
    )
    figure = go.Figure(heat)
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(showgrid=False, zeroline=False)
    angle = 0 if len(names) * max(map(len, names)) <= _LEVEL else -45
    figure.update_xaxes(title_text="… that also carry the class", tickangle=angle, **_charts.class_ticks(names, 18))
    figure.update_yaxes(title_text="Images with the class …", autorange="reversed", **_charts.class_ticks(names, 18))
    return _charts.layout(figure, "Given labels: classes in the same image", 18 * len(names) + 240, legend=False)
