"""One decision on all selected cells of a class: it says how many, asks, and can be taken back at once."""

import pandas as pd
import streamlit as st

from labelmend_app.explore.bulk import decide_all, is_client, new_client, said, undo_all
from labelmend_app.explore.cells import Known, State
from labelmend_app.review.reviewers import LONGEST_NAME, reviewer_name
from labelmend_app.screens._reviewer import current_reviewer
from labelmend_core.errors import InputError
from labelmend_core.selections import MOST_CELLS
from labelmend_core.types import Kind, Verdict
from labelmend_core.workspace import Workspace

BULK = "bulk"  # in the address: the client of the last bulk decision
_ICON = {Verdict.PRESENT: ":material/add_task:", Verdict.ABSENT: ":material/remove_done:"}
_OPEN = [State.OPEN.value, State.SKIPPED.value]


def bulk(known: Known, cells: pd.DataFrame) -> None:
    """Draw the buttons that answer all open cells of the one class, or say why there are none."""
    classes = cells["class_index"].unique()
    if len(classes) > 1:
        st.caption(
            f"One answer for all is for one class at a time, and these are of {len(classes):,} classes: choose one."
        )
        return
    if not 0 < len(cells) <= MOST_CELLS:
        return
    n_answered = int((~cells["state"].isin(_OPEN)).sum())
    anew = bool(n_answered) and st.checkbox(
        f"Also the {n_answered:,} answered ones",
        key="explore_anew",
        help="Without it, an answer for all touches only cells that nobody has answered.",
    )
    meant = cells if anew else cells[cells["state"].isin(_OPEN)]
    if meant["probability"].isna().any():
        _offer(known, meant, "Mark all {n} as showing it", Verdict.PRESENT, anew)
        _offer(known, meant, "Mark all {n} as not showing it", Verdict.ABSENT, anew)
        return
    for kind in Kind:
        of_kind = meant[meant["kind"] == kind.value]
        _offer(known, of_kind, f"Accept all {{n}} {kind.value}", kind.error_verdict, anew)
        _offer(known, of_kind, f"Reject all {{n}} {kind.value}", kind.fine_verdict, anew)


def _offer(known: Known, cells: pd.DataFrame, label: str, verdict: Verdict, anew: bool) -> None:
    if len(cells) and st.button(
        label.format(n=f"{len(cells):,}"),
        key="explore_" + "_".join(label.format(n="").lower().split()),
        icon=_ICON[verdict],
    ):
        st.session_state["explore_bulk_client"] = new_client()  # a second click says the same thing, not another
        _dialog(known, cells, verdict, anew)


@st.dialog("One answer for all?", width="medium")
def _dialog(known: Known, cells: pd.DataFrame, verdict: Verdict, anew: bool) -> None:
    name = known.workspace.dataset.class_names[int(cells["class_index"].iloc[0])]
    st.text(f"{said(verdict, len(cells), name)}?")  # never Markdown: the name is the user's
    st.caption(
        f"{_kinds(cells)} No other label of an image is touched. Each is a decision of its own; you can take back all "
        "of them at once. The review may still ask for a few of them, to learn how many errors remain."
    )
    reviewer = st.text_input("Reviewer", current_reviewer(), max_chars=LONGEST_NAME, key="explore_reviewer")
    with st.container(horizontal=True):
        if st.button(said(verdict, len(cells), "").split(" as ")[0], type="primary", key="explore_bulk_do"):
            _commit(known, cells, verdict, reviewer, anew)
        if st.button("Cancel", key="explore_bulk_cancel"):
            st.rerun()


def _kinds(cells: pd.DataFrame) -> str:
    """Return of what kinds the cells are: "37 suspected missing labels, 2 labelled and not suspected."."""
    suspected, kind = ~cells["probability"].isna(), cells["kind"].astype(str)
    groups = (
        ("suspected missing", suspected & (kind == Kind.MISSING.value)),
        ("suspected spurious", suspected & (kind == Kind.SPURIOUS.value)),
        ("not labelled and not suspected", ~suspected & (kind == Kind.MISSING.value)),
        ("labelled and not suspected", ~suspected & (kind == Kind.SPURIOUS.value)),
    )
    return ", ".join(f"{int(which.sum()):,} {words}" for words, which in groups if which.any()) + "."


def _commit(known: Known, cells: pd.DataFrame, verdict: Verdict, reviewer: str, anew: bool) -> None:
    client = st.session_state["explore_bulk_client"]
    try:
        name = reviewer_name(reviewer)
        decide_all(known.workspace, known.run_id, cells, verdict, reviewer=name, client=client, anew=anew)
    except InputError as error:
        st.error("Nothing was marked.", icon=":material/error:")
        st.text(str(error))
        return
    st.query_params[BULK] = client
    st.rerun()


def undo_notice(workspace: Workspace) -> None:
    """Say what the last bulk decision did, and offer to take it back; nothing once it is."""
    client = st.query_params.get(BULK, "")
    standing = workspace.cells.standing_of(client) if is_client(client) else pd.DataFrame()
    if not len(standing):
        return
    row = standing.iloc[0]
    name = workspace.dataset.class_names[int(row["class_index"])]
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        done = said(Verdict(row["verdict"]), len(standing), name).replace("Mark ", "Marked ", 1)
        st.text(f"{done}, by {row['reviewer']}.", width="content")
        st.button(
            f"Take back all {len(standing):,}",
            icon=":material/undo:",
            key="explore_undo",
            on_click=_take_back,
            args=(workspace, client),
        )
        st.button("Hide", type="tertiary", key="explore_undo_hide", on_click=_hide)


def _take_back(workspace: Workspace, client: str) -> None:
    undo_all(workspace, client)
    _hide()


def _hide() -> None:
    st.query_params.pop(BULK, None)
