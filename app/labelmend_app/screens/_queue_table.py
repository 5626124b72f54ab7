"""The table of all classes, from which a queue is opened, and the way to begin where the most errors are expected."""

from math import isnan

import pandas as pd
import streamlit as st

from labelmend_app.components.review_grid import ReviewQueue
from labelmend_app.number_words import about
from labelmend_app.review.picked_queue import ALL, PickedQueue
from labelmend_app.screens._modes import is_blind, set_by_image, toggle_blind
from labelmend_app.screens._pick import choose_pick, next_effort, said
from labelmend_app.screens._queues import Choice, choose_class, choose_kind, following, go
from labelmend_app.screens._retrain import retrain
from labelmend_app.screens._reviewer import choose_reviewer
from labelmend_core.types import Kind
from labelmend_core.workspace import Workspace

_KIND_MEANING = {
    Kind.MISSING: "The image is not labelled so, and the model thinks that it should be.",
    Kind.SPURIOUS: "The image is labelled so, and the model thinks that it should not be.",
}
_TABLE = "review_table"


def all_classes(workspace: Workspace, run_id: str, picked: PickedQueue, queues: list[ReviewQueue], kind: Kind) -> None:
    """Draw the screen of all classes: what to review and how, where to begin, and the queues of one kind."""
    st.title("Review")
    with st.container(horizontal=True, vertical_alignment="center"):
        choose_kind(queues, kind)
        choose_class(queues, Choice(kind, None), width=170)  # so that the row fits a window of 1280 px
        if not is_blind():
            choose_pick(workspace, run_id, picked)
        st.button("By image", icon=":material/image:", key="review_by_image", on_click=set_by_image, args=(True,))
        st.toggle(
            "Blind",
            key="review_blind",
            value=is_blind(),
            on_change=toggle_blind,
            help="Hide what the model thinks of each suggestion.",
        )
        choose_reviewer(workspace)
    first = following(queues, Choice(kind, None))
    if first is None:
        _done(workspace, run_id, picked)
    else:
        _begin(picked, first)
    retrain(workspace)
    st.caption(f"{_KIND_MEANING[kind]} Choose a class to review it.")
    shown = [queue for queue in queues if queue.kind is kind]
    if not shown:
        st.info("There are no suggestions of this kind." if picked.pick == ALL else "You picked none of this kind.")
        return
    table = queue_table(shown)
    st.dataframe(
        table.drop(columns=["Likely right", "Errors expected"]) if is_blind() else table,
        key=_TABLE,
        hide_index=True,
        placeholder="–",
        height="content" if len(shown) < 20 else 760,
        on_select=lambda: _open_row(shown),
        selection_mode="single-cell",
        column_config={
            "Suggested": st.column_config.NumberColumn(help="Suggestions of the newest run."),
            "Open": st.column_config.NumberColumn(help="Not yet answered; a skipped one stays open."),
            "Answered": st.column_config.ProgressColumn(max_value=100, format="%.0f %%"),
            "Accepted": st.column_config.NumberColumn(
                help="Share of the answers that call it an error; unsure and skipped ones are left out.",
                format="%.0f %%",
            ),
            "Labels mended": st.column_config.NumberColumn(help="Suggestions that were accepted."),
            "Errors expected": st.column_config.NumberColumn(
                help="How many of the open suggestions should turn out right.", format="%.0f"
            ),
            "Likely right": st.column_config.ProgressColumn(
                help="Share of the open suggestions that should turn out right.",
                max_value=100,
                format="%.0f %%",
            ),
        },
    )


def _begin(picked: PickedQueue, first: ReviewQueue) -> None:
    """Say what was picked, and offer to begin where the most errors are to be expected."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Begin",
            type="primary",
            icon=":material/play_arrow:",
            key="review_begin",
            on_click=go,
            args=(first.kind, first.class_index),
        )
        st.text(f"{said(picked)}; {picked.answered:,} answered")


def _done(workspace: Workspace, run_id: str, picked: PickedQueue) -> None:
    if picked.pick == ALL:
        st.success(
            "Every suggestion is answered. Train again on the corrected labels to find what is still hidden, "
            "or take the annotations home on the **Export** screen."
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        found = "" if isnan(picked.errors) else f", {about(picked.errors)} errors"
        what = "suggestions" if picked.pick.selection is None else "selected cells"
        st.success(f"All that you picked is answered: {picked.suggested:,} {what}{found}.")
        next_effort(workspace, run_id, picked.pick)


def queue_table(queues: list[ReviewQueue]) -> pd.DataFrame:
    """Return what the table of queues shows, one row a queue."""
    return pd.DataFrame(
        {
            "Class": [queue.class_name for queue in queues],
            "Open": [queue.n_open for queue in queues],
            "Likely right": [100 * queue.expected / queue.n_open if queue.n_open else None for queue in queues],
            "Errors expected": [queue.expected for queue in queues],
            "Suggested": [queue.n_suggested for queue in queues],
            "Answered": [100 - 100 * queue.n_open / queue.n_suggested for queue in queues],
            "Accepted": [100 * queue.n_accepted / queue.n_said if queue.n_said else None for queue in queues],
            "Labels mended": [queue.n_accepted for queue in queues],
        }
    )


def _open_row(shown: list[ReviewQueue]) -> None:
    selection = st.session_state[_TABLE].selection
    if selection.cells:
        queue = shown[selection.cells[0][0]]
        go(queue.kind, queue.class_index)
