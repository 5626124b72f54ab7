"""The control that picks a part of the suggestions: all, those at least so likely, or the next so many.

A fourth part, a selection, is made on the Explore screen.
"""

import streamlit as st

from labelmend_app.number_words import about
from labelmend_app.review.picked_queue import ALL, LIKELY, MOST_EFFORT, NEXT, RUN, SELECTION, SINCE, Pick, PickedQueue
from labelmend_app.screens._modes import is_blind
from labelmend_core.workspace import Workspace

_OPEN = "pick_open"
_LIKELY, _EFFORT = 90, 500  # to begin with


def choose_pick(workspace: Workspace, run_id: str, picked: PickedQueue) -> None:
    """Draw the control; what is picked goes into the address."""
    chosen, outlook = picked.pick, picked.outlook
    with st.popover(chosen.name(), icon=":material/filter_list:", width=205, key=_OPEN, on_change="rerun"):
        _offer(ALL, run_id, chosen)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            percent = st.number_input("At least so many % likely", 1, 99, chosen.likely or _LIKELY, key="pick_likely")
            _offer(Pick(likely=int(percent)), run_id, chosen)
        st.caption(f"{outlook.at_least(percent / 100):,} are, by all answers so far; each new answer may move the cut.")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            effort = st.number_input("So many next", 1, MOST_EFFORT, chosen.effort or _EFFORT, key="pick_effort")
            _offer(Pick(effort=int(effort), since=workspace.ledger.newest()), run_id, chosen)
        errors = about(outlook.expected_of_next(int(effort)))
        st.caption(f"The likeliest of all classes, about {errors} errors; the address keeps which they are.")
        if chosen.selection is None:
            st.caption("Or select any images on the **Explore** screen and review exactly these.")
        else:
            st.caption(f"Now: the {picked.suggested:,} that were selected on the **Explore** screen.")


def said(picked: PickedQueue) -> str:
    """Return what was picked; in blind mode without what is expected of it."""
    return f"{picked.suggested:,} suggestions" if is_blind() else picked.sentence()


def next_effort(workspace: Workspace, run_id: str, pick: Pick) -> None:
    """Draw the buttons that lead on from a pick that is done."""
    if pick.effort is not None:
        again = Pick(effort=pick.effort, since=workspace.ledger.newest())
        st.button(again.name(), icon=":material/redo:", key="pick_again", on_click=_take, args=(run_id, again))
    if pick != ALL:
        st.button(ALL.name(), key="pick_all_left", on_click=_take, args=(run_id, ALL))


def _offer(pick: Pick, run_id: str, chosen: Pick) -> None:
    here = pick == chosen
    st.button(
        pick.name(),
        key=f"pick_{'likely' if pick.likely else 'effort' if pick.effort else 'all'}_take",
        width="stretch" if pick == ALL else 190,
        icon=":material/check:" if here else None,
        disabled=here,
        on_click=_take,
        args=(run_id, pick),
    )


def _take(run_id: str, pick: Pick) -> None:
    st.session_state[_OPEN] = False
    for name in (LIKELY, NEXT, SINCE, RUN, SELECTION, "class"):  # the table of all classes says what was picked
        st.query_params.pop(name, None)
    for name, value in pick.parameters(run_id).items():
        st.query_params[name] = value
