"""Review: choose a class and a kind of error, then answer its suggestions picture by picture."""

import pandas as pd
import streamlit as st

from labelmend_app.components.review_grid import Actions, ReviewQueue, review_grid
from labelmend_app.review.api import THUMBNAIL_SIDES, workspace_key
from labelmend_app.review.picked_queue import ALL, PickedQueue, picked_queue, read_pick
from labelmend_app.screens._modes import is_blind, is_by_image, set_by_image, take_blind, take_by
from labelmend_app.screens._pick import choose_pick, said
from labelmend_app.screens._queue_table import all_classes
from labelmend_app.screens._queues import Choice, choose_class, choose_kind, following, go, read_choice, read_queues
from labelmend_app.screens._reviewer import choose_reviewer, current_reviewer
from labelmend_core.detection import Outlook
from labelmend_core.ledger import Status
from labelmend_core.types import Kind
from labelmend_core.workspace import Workspace


def render(workspace: Workspace) -> None:
    """Draw the screen."""
    run_id = workspace.queue.latest_run()
    if run_id is None:
        _nothing_suggested(workspace)
        return
    second = workspace.double_review.of(current_reviewer())
    picked = picked_queue(workspace, run_id, read_pick(st.query_params, run_id, workspace.selections), second=second)
    queues = read_queues(workspace, run_id, picked)
    choice = read_choice(queues, {int(k) for k in picked.outlook.ranking.classes})
    if is_by_image():
        _by_image(workspace, run_id, picked, choice)
    elif choice.class_index is None:
        all_classes(workspace, run_id, picked, queues, choice.kind)
    else:
        _one_queue(workspace, run_id, picked, queues, choice)


def _nothing_suggested(workspace: Workspace) -> None:
    st.title("Review")
    if any(run.status is Status.DONE for run in workspace.runs.all()):
        st.info("No suggestions yet: a run is trained, so run **labelmend suggest** and come back.")
    else:
        st.info("No suggestions yet: train a model on the **Train** screen, or run **labelmend train** first.")


def _one_queue(
    workspace: Workspace, run_id: str, picked: PickedQueue, queues: list[ReviewQueue], choice: Choice
) -> None:
    row = st.container(horizontal=True, vertical_alignment="center")
    row.button("All classes", icon=":material/arrow_back:", on_click=go, args=(choice.kind, None))
    with row:
        choose_kind(queues, choice.kind)
        choose_class(queues, choice)
        if not is_blind():
            choose_pick(workspace, run_id, picked)
        reviewer = choose_reviewer(workspace)
    queue = _chosen_queue(workspace, run_id, queues, choice)
    elsewhere = picked.answered - (queue.n_suggested - queue.n_open)
    review_grid(
        queue,
        workspace_key=workspace_key(workspace),
        reviewer=reviewer,
        sides=THUMBNAIL_SIDES,
        following=following(queues, choice),
        actions=_ACTIONS,
        pick=picked.pick.parameters(run_id),
        picked=None if picked.pick == ALL else (f"{picked.pick.name()}: {said(picked)}", elsewhere),
        blind=is_blind(),
        expects="reject" if not is_blind() and mostly_wrong(picked.outlook, queue) else "accept",
        decided_elsewhere=workspace.cells.newest_of_many(),
    )


def mostly_wrong(outlook: Outlook, queue: ReviewQueue) -> bool:
    """Return whether fewer than half of the open suggestions of a queue should turn out right.

    Without the cells of the audit sample, as the page shows it.
    """
    named = pd.DataFrame({"class_index": [queue.class_index], "kind": [queue.kind]})
    here = outlook.open & (outlook.ranking.queue == outlook.ranking.queues(named)[0])
    return bool(here.any() and outlook.probability[here].mean() < 0.5)


def _by_image(workspace: Workspace, run_id: str, picked: PickedQueue, choice: Choice) -> None:
    """Draw the review one image at a time; the class in the address is the one to come back to."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Class by class", icon=":material/arrow_back:", on_click=set_by_image, args=(False,))
        if not is_blind():
            choose_pick(workspace, run_id, picked)
        reviewer = choose_reviewer(workspace)
    n_open = int(picked.queues["open"].sum())
    review_grid(
        ReviewQueue(run_id, 0, "", choice.kind, picked.suggested, n_open, float(n_open)),
        workspace_key=workspace_key(workspace),
        reviewer=reviewer,
        sides=THUMBNAIL_SIDES,
        following=None,
        actions=_ACTIONS,
        pick=picked.pick.parameters(run_id),
        by="image",
        blind=is_blind(),
        decided_elsewhere=workspace.cells.newest_of_many(),
    )


def _chosen_queue(workspace: Workspace, run_id: str, queues: list[ReviewQueue], choice: Choice) -> ReviewQueue:
    for queue in queues:
        if (queue.kind, queue.class_index) == (choice.kind, choice.class_index):
            return queue
    assert choice.class_index is not None
    name = workspace.dataset.class_names[choice.class_index]
    return ReviewQueue(run_id, choice.class_index, name, choice.kind, 0, 0, 0.0)


def _take_next() -> None:
    taken = st.session_state["review_grid"].next
    if taken is not None:
        go(Kind(taken["kind"]), int(taken["class_index"]))


_ACTIONS = Actions(on_next=_take_next, on_by=take_by, on_blind=take_blind)
