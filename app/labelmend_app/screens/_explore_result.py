"""What the Explore screen found: how many, the pictures page by page, and what to do with them."""

from collections.abc import Sequence
from math import ceil, isnan

import pandas as pd
import streamlit as st

from labelmend_app.components.picture_wall import Picture, picture_wall
from labelmend_app.explore.cells import Known, State
from labelmend_app.number_words import count
from labelmend_app.review.api import workspace_key
from labelmend_app.review.picked_queue import SELECTION, Pick
from labelmend_app.screens import _charts
from labelmend_app.screens._explore_bulk import bulk
from labelmend_app.whole_number import whole_number
from labelmend_core.selections import CELL, MOST_CELLS
from labelmend_core.types import Kind

PAGE = "page"
_ON_A_PAGE = 48
_LIKELY = "Error probability now"
_BAR = st.column_config.ProgressColumn(min_value=0, max_value=100, format="%.0f %%")
STATE_COLOURS = {
    State.ACCEPTED.value: _charts.PRESENT,
    State.REJECTED.value: _charts.ABSENT,
    State.UNSURE.value: "#b8a200",
}
KIND_COLOURS = {Kind.MISSING.value: _charts.MISSING, Kind.SPURIOUS.value: _charts.SPURIOUS}


def result(known: Known, cells: pd.DataFrame, *, what: str = "suggestion", on_a_page: int = _ON_A_PAGE) -> None:
    """Draw what was found: a table as `Known.table` has it, and what each row of it is called."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(in_words(cells, what), anchor=False, width="content")
        _review(known, cells)
        bulk(known, cells)
    shown = _page(cells, on_a_page)
    picture_wall(pictures(known, shown), workspace_key=workspace_key(known.workspace), key="explore_wall", side=240)
    with st.expander("The same as a table", icon=":material/table:"):
        st.dataframe(_table(known, shown), hide_index=True, placeholder="–", column_config={_LIKELY: _BAR})


def in_words(cells: pd.DataFrame, what: str) -> str:
    """Return how many cells there are, and in how many images.

    Example:
        >>> in_words(pd.DataFrame({"image_index": [1, 1, 2]}), "suggestion")
        '3 suggestions in 2 images'
    """
    return f"{count(len(cells), what)} in {count(cells['image_index'].nunique(), 'image')}"


def keep(known: Known, cells: pd.DataFrame) -> str:
    """Save cells as a selection, the likeliest errors first, and return its key."""
    order = cells.sort_values("probability", ascending=False, kind="stable", na_position="last")
    return known.workspace.selections.save(order[CELL])


def pictures(known: Known, cells: pd.DataFrame) -> Sequence[Picture]:
    """Return the pictures of the wall."""
    dataset = known.workspace.dataset
    return [
        Picture(
            image=int(row.image_index),
            name=dataset.image_ids[int(row.image_index)],
            lines=(_verdict_words(row.kind, row.probability, row.state), dataset.class_names[int(row.class_index)]),
            colour=STATE_COLOURS.get(
                row.state, KIND_COLOURS[row.kind] if not isnan(row.probability) else _charts.GIVEN
            ),
        )
        for row in cells.itertuples()
    ]


def _verdict_words(kind: str, probability: float, state: str) -> str:
    if state in (State.ACCEPTED, State.REJECTED):
        return f"{kind}? {state}"
    likely = "not suspected" if isnan(probability) else f"{kind}: {100 * probability:.0f} % likely"
    return likely if state == State.OPEN else f"{likely} · {state}"


def _review(known: Known, cells: pd.DataFrame) -> None:
    """Draw the button that takes exactly these to the review."""
    n_open = int(cells["state"].isin([State.OPEN.value, State.SKIPPED.value]).sum())
    if len(cells) > MOST_CELLS:
        st.caption(f"A review takes {MOST_CELLS:,} at most: narrow them down.")
        return
    clicked = st.button(
        "Review these" if n_open == len(cells) else f"Review these ({n_open:,} open)",
        type="primary",
        icon=":material/checklist:",
        key="explore_review",
        disabled=not n_open,
        help=None if n_open else "All of these are answered.",
    )
    if clicked:
        # Streamlit knows a page by its address; the one that `main` draws is meant.
        review = st.Page(lambda: None, title="Review", url_path="review")
        st.switch_page(review, query_params=Pick(selection=keep(known, cells)).parameters(known.run_id))


def _page(cells: pd.DataFrame, size: int) -> pd.DataFrame:
    """Draw the pages, which the address counts, and return the rows of this one."""
    n_pages = max(1, ceil(len(cells) / size))
    asked = whole_number(st.query_params.get(PAGE), n_pages) or 1
    if n_pages > 1:
        st.session_state["explore_page"] = asked
        st.pagination(n_pages, key="explore_page", on_change=_turn)
    return cells.iloc[(asked - 1) * size : asked * size]


def _turn() -> None:
    st.query_params[PAGE] = str(st.session_state["explore_page"])


def first_page() -> None:
    """Forget the page: what is shown is about to change."""
    st.query_params.pop(PAGE, None)


def _table(known: Known, cells: pd.DataFrame) -> pd.DataFrame:
    dataset = known.workspace.dataset
    images, classes = cells["image_index"].tolist(), cells["class_index"].tolist()
    given = [", ".join(dataset.class_names[k] for k in dataset.given_labels.positives(i)) for i in images]
    return pd.DataFrame(
        {
            "Image": [dataset.image_ids[i] for i in images],
            "Class": [dataset.class_names[k] for k in classes],
            "Kind": cells["kind"].astype(str).to_list(),
            _LIKELY: 100 * cells["probability"].to_numpy(),
            "Decision": cells["state"].astype(str).to_list(),
            "By": known.said_by(images, classes),
            "Given labels": given,
        }
    )


def selection_in_address(known: Known) -> str | None:
    """Return the key of the selection that the address names, None without one."""
    key = st.query_params.get(SELECTION)
    return key if key in known.workspace.selections else None
