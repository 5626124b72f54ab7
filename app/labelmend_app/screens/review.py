"""Review: choose a class and a kind of error, then answer its suggestions picture by picture."""

import getpass
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from labelmend_app.api import THUMBNAIL_SIDES, workspace_key
from labelmend_app.components.review_grid import ReviewQueue, review_grid
from labelmend_core.ledger import Status
from labelmend_core.types import Kind
from labelmend_core.workspace import Workspace

KIND_PARAMETER, CLASS_PARAMETER = "kind", "class"
_KIND_TITLE = {Kind.MISSING: "Missing labels", Kind.SPURIOUS: "Spurious labels"}
_KIND_MEANING = {
    Kind.MISSING: "The image is not labelled so, and the model thinks that it should be.",
    Kind.SPURIOUS: "The image is labelled so, and the model thinks that it should not be.",
}
_TABLE = "review_table"


@dataclass(frozen=True)
class Choice:
    """What the address asks for; `class_index` is None on the table of all classes."""

    kind: Kind
    class_index: int | None


def render(workspace: Workspace) -> None:
    """Draw the screen."""
    run_id = workspace.queue.latest_run()
    if run_id is None:
        _nothing_suggested(workspace)
        return
    queues = read_queues(workspace, run_id)
    choice = read_choice(queues)
    if choice.class_index is None:
        _all_classes(queues, choice.kind)
    else:
        _one_queue(workspace, queues, choice)


def read_queues(workspace: Workspace, run_id: str) -> list[ReviewQueue]:
    """Return the queues of a run, the one with the most errors to be expected first."""
    names = workspace.dataset.class_names
    counts = workspace.queue.counts(run_id).sort_values(["expected", "class_index"], ascending=[False, True])
    return [
        ReviewQueue(
            run_id=run_id,
            class_index=int(row.class_index),
            class_name=names[int(row.class_index)],
            kind=Kind(row.kind),
            n_suggested=int(row.suggested),
            n_open=int(row.open),
            expected=float(row.expected),
        )
        for row in counts.itertuples()
    ]


def read_choice(queues: list[ReviewQueue]) -> Choice:
    """Return what the address asks for; what it names wrongly is as good as not named."""
    named = st.query_params.get(KIND_PARAMETER, "")
    kind = Kind(named) if named in tuple(Kind) else _first_open_kind(queues)
    text = st.query_params.get(CLASS_PARAMETER, "")
    known = {queue.class_index for queue in queues}
    class_index = int(text) if text.isascii() and text.isdigit() and int(text) in known else None
    return Choice(kind, class_index)


def following(queues: list[ReviewQueue], choice: Choice) -> ReviewQueue | None:
    """Return the queue to go on with: the next best open one of this kind, else of the other kind."""
    others = [queue for queue in queues if queue.n_open and queue.class_index != choice.class_index]
    same_kind = [queue for queue in others if queue.kind is choice.kind]
    other_kind = [queue for queue in queues if queue.n_open and queue.kind is not choice.kind]
    return next(iter(same_kind or other_kind), None)


def _first_open_kind(queues: list[ReviewQueue]) -> Kind:
    return next((queue.kind for queue in queues if queue.n_open), Kind.MISSING)


def _nothing_suggested(workspace: Workspace) -> None:
    st.title("Review")
    if any(run.status is Status.DONE for run in workspace.runs.all()):
        st.info("No suggestions yet: a run is trained, so run **labelmend suggest** and come back.")
    else:
        st.info("No suggestions yet: train a model on the **Train** screen, or run **labelmend train** first.")


def _all_classes(queues: list[ReviewQueue], kind: Kind) -> None:
    st.title("Review")
    n_open = sum(queue.n_open for queue in queues)
    if not n_open:
        st.success(
            "Every suggestion is answered. Train again on the corrected labels to find what is still hidden, "
            "or take the annotations home on the **Export** screen."
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        _choose_kind(queues, kind)
        _choose_class(queues, Choice(kind, None))
    st.caption(f"{_KIND_MEANING[kind]} Choose a class to review it.")
    shown = [queue for queue in queues if queue.kind is kind]
    if not shown:
        st.info("There are no suggestions of this kind.")
        return
    st.dataframe(
        queue_table(shown),
        key=_TABLE,
        hide_index=True,
        height="content" if len(shown) < 20 else 760,
        on_select=lambda: _open_row(shown),
        selection_mode="single-cell",
        column_config={
            "Suggested": st.column_config.NumberColumn(help="Suggestions of the newest run."),
            "Open": st.column_config.NumberColumn(help="Not yet answered; a skipped one stays open."),
            "Answered": st.column_config.ProgressColumn(max_value=100, format="%.0f %%"),
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
        }
    )


def _open_row(shown: list[ReviewQueue]) -> None:
    selection = st.session_state[_TABLE].selection
    if selection.cells:
        queue = shown[selection.cells[0][0]]
        _go(queue.kind, queue.class_index)


def _one_queue(workspace: Workspace, queues: list[ReviewQueue], choice: Choice) -> None:
    row = st.container(horizontal=True, vertical_alignment="center")
    row.button("All classes", icon=":material/arrow_back:", on_click=_go, args=(choice.kind, None))
    with row:
        _choose_kind(queues, choice.kind)
        _choose_class(queues, choice)
    review_grid(
        _chosen_queue(workspace, queues, choice),
        workspace_key=workspace_key(workspace),
        reviewer=_user(),
        sides=THUMBNAIL_SIDES,
        following=following(queues, choice),
        on_next=_take_next,
    )


def _chosen_queue(workspace: Workspace, queues: list[ReviewQueue], choice: Choice) -> ReviewQueue:
    for queue in queues:
        if (queue.kind, queue.class_index) == (choice.kind, choice.class_index):
            return queue
    assert choice.class_index is not None
    name = workspace.dataset.class_names[choice.class_index]
    return ReviewQueue(queues[0].run_id, choice.class_index, name, choice.kind, 0, 0, 0.0)


def _choose_kind(queues: list[ReviewQueue], kind: Kind) -> None:
    n_open = {kind: sum(queue.n_open for queue in queues if queue.kind is kind) for kind in Kind}
    st.session_state["review_kind"] = kind
    st.segmented_control(
        "Kind",
        list(Kind),
        key="review_kind",
        required=True,
        format_func=lambda kind: f"{_KIND_TITLE[kind]} ({n_open[kind]:,} open)",
        on_change=lambda: _go(st.session_state["review_kind"], _class_in_address()),
        label_visibility="collapsed",
    )


def _choose_class(queues: list[ReviewQueue], choice: Choice) -> None:
    n_open = {queue.class_index: queue.n_open for queue in queues if queue.kind is choice.kind}
    names = {queue.class_index: queue.class_name for queue in queues}
    st.session_state["review_class"] = choice.class_index
    st.selectbox(
        "Class",
        sorted(names, key=lambda k: (-n_open.get(k, 0), k)),
        key="review_class",
        format_func=lambda k: f"{names[k]} ({n_open.get(k, 0):,} open)",
        on_change=lambda: _go(choice.kind, st.session_state["review_class"]),
        index=None,
        placeholder="Choose a class",
        label_visibility="collapsed",
        width=320,
    )


def _class_in_address() -> str | None:
    return st.query_params.get(CLASS_PARAMETER)


def _take_next() -> None:
    taken = st.session_state["review_grid"].next
    if taken is not None:
        _go(Kind(taken["kind"]), int(taken["class_index"]))


def _go(kind: Kind, class_index: int | str | None) -> None:
    """Write the choice into the address, so that a reload and a bookmark lead back to it."""
    st.query_params[KIND_PARAMETER] = kind.value
    if class_index is None:
        st.query_params.pop(CLASS_PARAMETER, None)
    else:
        st.query_params[CLASS_PARAMETER] = str(class_index)


def _user() -> str:
    """Return the name of whoever is logged in; a container may run under an id without one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "reviewer"
