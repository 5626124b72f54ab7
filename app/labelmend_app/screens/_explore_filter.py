"""The controls that filter suggestions; what they say is in the address."""

from dataclasses import replace
from typing import Any

import streamlit as st

from labelmend_app.explore.cells import Known, State
from labelmend_app.explore.filters import (
    BY,
    CLASS,
    FILE,
    GIVEN,
    KIND,
    LEAST,
    MOST,
    NAMES,
    STATES,
    Filter,
    filtered,
    read_filter,
)
from labelmend_app.screens._explore_result import first_page, result
from labelmend_core.types import Kind

_KINDS = {Kind.MISSING: "Missing", Kind.SPURIOUS: "Spurious"}


def filter_view(known: Known) -> None:
    """Draw the controls and what they let through."""
    names = list(known.workspace.dataset.class_names)
    asked = read_filter(st.query_params, len(names), known.reviewers)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        _choose("Class", CLASS, asked.class_index, range(len(names)), names.__getitem__, "Any class")
        _segments("Kind", KIND, asked.kind, list(Kind), lambda kind: _KINDS[kind])
        _segments("Decision", STATES, list(asked.states), list(State), str.capitalize, multi=True)
        _percent(asked)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        _file(asked)
        _choose("Carries the given label", GIVEN, asked.given, range(len(names)), names.__getitem__, "Any label")
        _choose("Reviewer", BY, asked.by, known.reviewers, str, "Anybody or nobody")
        if asked != Filter():
            st.button("Clear all", icon=":material/filter_list_off:", key="explore_clear", on_click=_clear)
    cells = filtered(known, asked)
    if len(cells):
        result(known, cells)
    else:
        _nothing(known, asked)


def _nothing(known: Known, asked: Filter) -> None:
    if not len(known.suggestions):
        st.info("This run suggests nothing. Train another one on the **Train** screen, or suggest with a lower bound.")
        return
    wider = replace(asked, least=0, most=100)
    hint = "widen the range of probability" if len(filtered(known, wider)) else "ask for less"
    st.info(
        f"None of the {len(known.suggestions):,} suggestions is so: {hint}, or clear the filters.",
        icon=":material/filter_list_off:",
    )


def _write(name: str, value: Any) -> None:
    """Put a value into the address; nothing, and all, are not said."""
    first_page()
    if value in (None, "", [], ()):
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = ",".join(value) if isinstance(value, list) else str(value)


def _choose(label: str, name: str, value: Any, options: Any, words: Any, nothing: str) -> None:
    key = f"explore_{name}"
    st.session_state[key] = value
    st.selectbox(
        label,
        options,
        index=None,
        key=key,
        format_func=words,
        placeholder=nothing,
        on_change=lambda: _write(name, st.session_state[key]),
        width=230,
    )


def _segments(label: str, name: str, value: Any, options: list[Any], words: Any, *, multi: bool = False) -> None:
    key = f"explore_{name}"
    st.session_state[key] = value
    st.segmented_control(
        label,
        options,
        key=key,
        selection_mode="multi" if multi else "single",
        format_func=words,
        on_change=lambda: _write(name, st.session_state[key]),
    )


def _percent(asked: Filter) -> None:
    st.session_state["explore_percent"] = (asked.least, asked.most)

    def write() -> None:
        least, most = st.session_state["explore_percent"]
        _write(LEAST, least or None)
        _write(MOST, None if most == 100 else most)

    st.slider("Error probability now", 0, 100, key="explore_percent", format="%d %%", on_change=write, width=260)


def _file(asked: Filter) -> None:
    st.session_state["explore_file"] = asked.file
    st.text_input(
        "File name contains",
        key="explore_file",
        placeholder="any part of it",
        on_change=lambda: _write(FILE, st.session_state["explore_file"]),
        width=230,
    )


def _clear() -> None:
    first_page()
    for name in NAMES:
        st.query_params.pop(name, None)
