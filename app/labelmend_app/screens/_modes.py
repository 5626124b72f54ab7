"""How the review asks, kept in the address: class by class or one image at a time, seeing or blind."""

import streamlit as st

_BY, _BLIND = "by", "blind"


def is_blind() -> bool:
    """Return whether nothing of what the model thinks is to be shown."""
    return st.query_params.get(_BLIND) == "1"


def toggle_blind() -> None:
    """Change it."""
    if is_blind():
        st.query_params.pop(_BLIND)
    else:
        st.query_params[_BLIND] = "1"


def is_by_image() -> bool:
    """Return whether one image at a time is asked, with all its suggestions."""
    return st.query_params.get(_BY) == "image"


def set_by_image(by_image: bool) -> None:
    """Ask so, or class by class."""
    if by_image:
        st.query_params[_BY] = "image"
    else:
        st.query_params.pop(_BY, None)


def take_by() -> None:
    """Do what the page asked for by its key or switch."""
    taken = st.session_state["review_grid"].by
    if taken is not None:
        set_by_image(taken == "image")


def take_blind() -> None:
    """Do what the page asked for by its key or switch."""
    taken = st.session_state["review_grid"].blind
    if taken is not None and (taken == "on") != is_blind():
        toggle_blind()
