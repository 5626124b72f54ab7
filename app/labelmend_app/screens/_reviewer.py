"""The control that says who reviews: a known name or a new one, kept in the address and across screens."""

import streamlit as st

from labelmend_app.review.reviewers import default_reviewer, reviewer_name
from labelmend_core.errors import InputError
from labelmend_core.workspace import Workspace

REVIEWER_PARAMETER = "reviewer"
_WIDGET, _KEPT, _REFUSED = "reviewer_choice", "reviewer", "reviewer_refused"


def current_reviewer() -> str:
    """Return who reviews in this tab: whom the address names, else the last one chosen here, else the default."""
    try:
        name = reviewer_name(st.query_params[REVIEWER_PARAMETER])
    except (KeyError, InputError):
        name = st.session_state.get(_KEPT, default_reviewer())
    st.session_state[_KEPT] = name
    return name


def choose_reviewer(workspace: Workspace, *, label: str = "") -> str:
    """Draw the control, under a label if there is one, and return who reviews; the address keeps it."""
    name = current_reviewer()
    if name != default_reviewer():  # another screen may have taken it out of the address
        st.query_params[REVIEWER_PARAMETER] = name
    st.session_state[_WIDGET] = name
    st.selectbox(
        label or "Reviewer",
        sorted({name, *workspace.ledger.reviewers()}, key=str.casefold),
        key=_WIDGET,
        on_change=_take,
        accept_new_options=True,
        placeholder="Who reviews?",
        label_visibility="visible" if label else "collapsed",
        help="Answers are kept under this name: choose one, or type a new one.",
        width=150,
    )
    if refused := st.session_state.pop(_REFUSED, ""):
        st.error(refused)
    return name


def _take() -> None:
    try:
        name = reviewer_name(st.session_state[_WIDGET] or "")
    except InputError as error:
        st.session_state[_REFUSED] = str(error)
        return
    st.session_state[_KEPT] = name
    if name == default_reviewer():
        st.query_params.pop(REVIEWER_PARAMETER, None)
    else:
        st.query_params[REVIEWER_PARAMETER] = name
