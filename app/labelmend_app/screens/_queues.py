"""Which queue is reviewed: read from the address, chosen in two controls, and what comes after it."""

from collections.abc import Collection
from dataclasses import dataclass

import streamlit as st

from labelmend_app.components.review_grid import ReviewQueue
from labelmend_app.review.picked_queue import PickedQueue
from labelmend_app.review.standing import tallies
from labelmend_app.whole_number import whole_number
from labelmend_core.types import Kind
from labelmend_core.workspace import Workspace

KIND_PARAMETER, CLASS_PARAMETER = "kind", "class"
_KIND_TITLE = {Kind.MISSING: "Missing labels", Kind.SPURIOUS: "Spurious labels"}


@dataclass(frozen=True)
class Choice:
    """What the address asks for; `class_index` is None on the table of all classes."""

    kind: Kind
    class_index: int | None


def read_queues(workspace: Workspace, run_id: str, picked: PickedQueue) -> list[ReviewQueue]:
    """Return the queues of what was picked, the one with the most errors to be expected now first."""
    names = workspace.dataset.class_names
    counts = picked.queues.merge(tallies(workspace, run_id)[["class_index", "kind", "said", "accepted"]], how="left")
    counts = counts.fillna({"said": 0, "accepted": 0})
    counts = counts.sort_values(["expected", "class_index"], ascending=[False, True])
    return [
        ReviewQueue(
            run_id=run_id,
            class_index=int(row.class_index),
            class_name=names[int(row.class_index)],
            kind=Kind(row.kind),
            n_suggested=int(row.suggested),
            n_open=int(row.open),
            expected=float(row.expected),
            n_said=int(row.said),
            n_accepted=int(row.accepted),
        )
        for row in counts.itertuples()
    ]


def read_choice(queues: list[ReviewQueue], suggested: Collection[int] = ()) -> Choice:
    """Return what the address asks for; what it names wrongly is as good as not named.

    `suggested` are classes that may be named although nothing of theirs was picked.
    """
    named = st.query_params.get(KIND_PARAMETER, "")
    kind = Kind(named) if named in tuple(Kind) else _first_open_kind(queues)
    text = st.query_params.get(CLASS_PARAMETER, "")
    known = {queue.class_index for queue in queues} | set(suggested)
    class_index = whole_number(text, max(known, default=-1))
    return Choice(kind, class_index if class_index in known else None)


def following(queues: list[ReviewQueue], choice: Choice) -> ReviewQueue | None:
    """Return the queue to go on with: the next best open one of this kind, else of the other kind."""
    others = [queue for queue in queues if queue.n_open and queue.class_index != choice.class_index]
    same_kind = [queue for queue in others if queue.kind is choice.kind]
    other_kind = [queue for queue in queues if queue.n_open and queue.kind is not choice.kind]
    return next(iter(same_kind or other_kind), None)


def _first_open_kind(queues: list[ReviewQueue]) -> Kind:
    return next((queue.kind for queue in queues if queue.n_open), Kind.MISSING)


def choose_kind(queues: list[ReviewQueue], kind: Kind) -> None:
    """Draw the control of the kind, with how many suggestions of each are open; choosing one changes the address."""
    n_open = {kind: sum(queue.n_open for queue in queues if queue.kind is kind) for kind in Kind}
    st.session_state["review_kind"] = kind
    st.segmented_control(
        "Kind",
        list(Kind),
        key="review_kind",
        required=True,
        format_func=lambda kind: f"{_KIND_TITLE[kind]} ({n_open[kind]:,} open)",
        on_change=lambda: go(st.session_state["review_kind"], _class_in_address()),
        label_visibility="collapsed",
    )


def choose_class(queues: list[ReviewQueue], choice: Choice, width: int = 220) -> None:
    """Draw the list of classes, those with the most open suggestions first; choosing one changes the address."""
    n_open = {queue.class_index: queue.n_open for queue in queues if queue.kind is choice.kind}
    names = {queue.class_index: queue.class_name for queue in queues}
    st.session_state["review_class"] = choice.class_index
    st.selectbox(
        "Class",
        sorted(names, key=lambda k: (-n_open.get(k, 0), k)),
        key="review_class",
        format_func=lambda k: f"{names[k]} ({n_open.get(k, 0):,} open)",
        on_change=lambda: go(choice.kind, st.session_state["review_class"]),
        index=None,
        placeholder="Choose a class",
        label_visibility="collapsed",
        width=width,
    )


def _class_in_address() -> str | None:
    return st.query_params.get(CLASS_PARAMETER)


def go(kind: Kind, class_index: int | str | None) -> None:
    """Write the choice into the address, so that a reload and a bookmark lead back to it."""
    st.query_params[KIND_PARAMETER] = kind.value
    if class_index is None:
        st.query_params.pop(CLASS_PARAMETER, None)
    else:
        st.query_params[CLASS_PARAMETER] = str(class_index)
