"""Decisions: everything that was ever decided or taken back, by whom, when and on which evidence."""

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

import pandas as pd
import streamlit as st

from labelmend_app.decision_list import CSV_NAME, csv_file
from labelmend_app.whole_number import whole_number
from labelmend_core.ledger.trail import Wanted
from labelmend_core.types import Verdict
from labelmend_core.workspace import Workspace

PAGE_SIZE = 100
# "by", because "reviewer" in an address says who reviews.
FILTERS = ("class", "by", "verdict", "run", "name", "since", "until")
_CACHE = "decisions_reviewers"
_SHOWN = ["decided_at", "reviewer", "image", "class", "verdict", "state", "asked", "probability", "rank", "run"]
_STATES = {"stands": "stands", "undone": "undone", "takes back": "takes one back"}


def render(workspace: Workspace) -> None:
    """Draw the screen."""
    st.title("Decisions")
    if not workspace.ledger.count():
        st.info("Nobody has decided anything yet: begin on the **Review** screen.")
        return
    wanted = read_wanted(workspace)
    _filters(workspace)
    n = workspace.trail.count(wanted)
    page = _page(n)
    with st.container(horizontal=True, vertical_alignment="center"):
        _pager(page, n)
        st.download_button(
            "All of these as CSV",
            partial(csv_file, workspace, wanted),
            file_name=CSV_NAME,
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            disabled=not n,
        )
        if wanted != Wanted():
            st.button("Show all", key="decisions_all", icon=":material/filter_list_off:", on_click=_forget)
    if n:
        _events(workspace.trail.page(wanted, offset=page * PAGE_SIZE, limit=PAGE_SIZE))
    else:
        st.info("No decision is like that. Change what you look for, or take *Show all*.")
    _reviewers(workspace)


def read_wanted(workspace: Workspace) -> Wanted:
    """Return what the address asks for; what it names wrongly is as good as not named."""
    value = {name: st.query_params.get(name, "") for name in FILTERS}
    verdict = value["verdict"]
    return Wanted(
        class_index=whole_number(value["class"], len(workspace.dataset.class_names) - 1),
        reviewer=value["by"],
        verdict=Verdict(verdict) if verdict in tuple(Verdict) else None,
        run_id=value["run"],
        name=value["name"],
        since=_day(value["since"]),
        until=_day(value["until"]),
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _filters(workspace: Workspace) -> None:
    wanted, names = read_wanted(workspace), workspace.dataset.class_names
    runs = [run.run_id for run in workspace.runs.all()]
    reviewers = sorted(workspace.ledger.reviewers(), key=str.casefold)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _choice("class", "Class", range(len(names)), wanted.class_index, lambda k: names[k], width=200)
        _choice("by", "Reviewer", reviewers, wanted.reviewer or None)
        _choice(
            "verdict",
            "Verdict",
            [verdict.value for verdict in Verdict],
            wanted.verdict and wanted.verdict.value,
            width=110,
        )
        _choice("run", "Run", runs, wanted.run_id or None, width=200)
        st.session_state["decisions_name"] = wanted.name
        st.text_input("Image name contains", key="decisions_name", on_change=_take, args=("name",), width=160)
        for name, label, day in (("since", "From (UTC)", wanted.since), ("until", "To (UTC)", wanted.until)):
            st.session_state[f"decisions_{name}"] = day
            st.date_input(label, key=f"decisions_{name}", on_change=_take, args=(name,), format="YYYY-MM-DD", width=130)


def _choice(
    name: str,
    label: str,
    options: Sequence[object],
    chosen: object,
    shown: Callable[..., str] = str,
    width: int = 130,
) -> None:
    st.session_state[f"decisions_{name}"] = chosen if chosen in options else None
    st.selectbox(
        label,
        options,
        key=f"decisions_{name}",
        index=None,
        placeholder="Any",
        format_func=shown,
        on_change=_take,
        args=(name,),
        width=width,
    )


def _take(name: str) -> None:
    value = st.session_state[f"decisions_{name}"]
    st.query_params.pop("page", None)
    if value is None or value == "":
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = str(value)


def _forget() -> None:
    for name in (*FILTERS, "page"):
        st.query_params.pop(name, None)


def _page(n: int) -> int:
    pages = max(-(-n // PAGE_SIZE), 1)
    return min(whole_number(st.query_params.get("page"), 2**53, least=1) or 1, pages) - 1


def _pager(page: int, n: int) -> None:
    first, last = page * PAGE_SIZE + 1, min((page + 1) * PAGE_SIZE, n)
    st.button(
        "Newer", key="decisions_newer", icon=":material/chevron_left:", on_click=_turn, args=(page,), disabled=not page
    )
    st.text(f"{first:,} to {last:,} of {n:,} decisions and undos, newest first" if n else "0 decisions")
    st.button(
        "Older",
        key="decisions_older",
        icon=":material/chevron_right:",
        on_click=_turn,
        args=(page + 2,),
        disabled=last >= n,
    )


def _turn(page: int) -> None:
    st.query_params["page"] = str(page)


def _events(events: pd.DataFrame) -> None:
    state = events["state"].map(_STATES).mask(events["adjudicates"] & (events["state"] == "stands"), "settles")
    table = events.assign(state=state, probability=100 * events["error_probability"])[_SHOWN]
    st.dataframe(
        table,
        hide_index=True,
        height=min(560, 38 + 35 * len(table)),
        placeholder="–",
        column_config={
            "decided_at": st.column_config.DatetimeColumn("When (UTC)", format="YYYY-MM-DD HH:mm:ss"),
            "reviewer": "Reviewer",
            "image": "Image",
            "class": "Class",
            "verdict": "Verdict",
            "state": st.column_config.TextColumn(
                "State", help="An undone one no longer counts; what settles a conflict counts before all others."
            ),
            "asked": st.column_config.TextColumn(
                "Asked as", help="Kind of the suggestion, or a cell of the audit sample."
            ),
            "probability": st.column_config.NumberColumn(
                "Ranked at", help="Error probability with which it was ranked.", format="%.0f %%"
            ),
            "rank": st.column_config.NumberColumn("Rank", help="1 is the likeliest error of its kind in the run."),
            "run": "Run",
        },
    )


def _reviewers(workspace: Workspace) -> None:
    newest = workspace.ledger.newest()
    known = st.session_state.get(_CACHE)
    if known is None or known[0] != newest:
        known = st.session_state[_CACHE] = (newest, workspace.trail.reviewers(workspace.ledger.shared_answers()))
    table: pd.DataFrame = known[1]
    st.subheader("Reviewers", anchor=False)
    st.caption(
        "What each answered and did not take back; an undone answer, a skip and an adjudication are not counted."
    )
    st.dataframe(
        table.assign(accepted=100 * table["accepted"], agreement=100 * table["agreement"]),
        hide_index=True,
        height="content" if len(table) < 15 else 520,
        column_config={
            "reviewer": "Reviewer",
            "answered": st.column_config.NumberColumn("Answered (cells)"),
            "unsure": st.column_config.NumberColumn("of them unsure"),
            "accepted": st.column_config.NumberColumn(
                "Accepted", help="Of the suggestions answered, those called errors.", format="%.0f %%"
            ),
            "hours": st.column_config.NumberColumn(
                "Time (h)", help="Between answers; of a pause one minute counts.", format="%.1f"
            ),
            "per_hour": st.column_config.NumberColumn("Answers an hour", format="%.0f"),
            "agreement": st.column_config.NumberColumn(
                "Agrees with others", help="Share of the others' answers to the same cells.", format="%.0f %%"
            ),
            "shared": st.column_config.NumberColumn("Shared (cells)", help="Cells that somebody else answered, too."),
            "last": st.column_config.DatetimeColumn("Last answer (UTC)", format="YYYY-MM-DD HH:mm"),
        },
    )
