"""What training again on the decisions brought, as the Train and the Runs screens show it."""

import pandas as pd
import streamlit as st

from labelmend_app.effect import NOT_MEASURED, Effect, Interval, interval_words, read_effect
from labelmend_app.number_words import about
from labelmend_core.ledger import RunRecord
from labelmend_core.types import Kind
from labelmend_core.workspace import Workspace


def effect(workspace: Workspace, record: RunRecord) -> None:
    """Draw what a run brought against the one whose review it learned from; nothing for other runs."""
    found = read_effect(workspace.run_folder(record.run_id))
    if found is None:
        return
    st.subheader("What retraining brought", anchor=False)
    decisions = f"{found.new_decisions:,} new decision{'s' * (found.new_decisions != 1)}"
    st.caption(f"Against run {found.before}, after {decisions}; as it was when the training ended.")
    _numbers(found)
    if found.map_before is None:
        st.text(NOT_MEASURED)
    _classes(found, tuple(workspace.dataset.class_names))


def _numbers(found: Effect) -> None:
    with st.container(horizontal=True):
        if found.map_before is not None and found.map_after is not None:
            change = round(found.map_after - found.map_before, 3)
            st.metric(
                "mAP on validation images",
                f"{found.map_after:.3f}",
                f"{change:+.3f}, from {found.map_before:.3f}",
                delta_color="normal" if change else "off",
                delta_arrow="auto" if change else "off",
                help="Mean average precision over the classes, 0 to 1, higher is better.",
                border=True,
                width=230,
                height="stretch",
            )
        _plain(
            "Suggestions newly found",
            f"{found.new_suggestions:,}",
            f"of {found.suggestions:,} in all",
            "That the run before had not suggested.",
        )
        for kind in Kind:
            if kind in found.left_before and kind in found.left_after:
                _left(kind, found.left_before[kind], found.left_after[kind])


def _left(kind: Kind, before: Interval, after: Interval) -> None:
    _plain(
        f"{kind.value.title()} labels that remain",
        about(after[0]),
        f"{about(after[1])} to {about(after[2])}; before {about(before[0])}",
        f"Estimated, with the 90 % interval. By the run before and all its answers {interval_words(before)}, by this "
        f"one {interval_words(after)}: two estimates of the same number.",
    )


def _plain(label: str, value: str, below: str, about_it: str) -> None:
    st.metric(
        label,
        value,
        below,
        delta_color="off",
        delta_arrow="off",
        help=about_it,
        border=True,
        width=280,
        height="stretch",
    )


def _classes(found: Effect, names: tuple[str, ...]) -> None:
    for title, rows, column in zip(
        ("Classes that gained most", "Classes that lost most"), (found.gained, found.lost), st.columns(2), strict=True
    ):
        if not rows:
            continue
        table = pd.DataFrame(rows, columns=["Class", "AP before", "AP after"])
        table["Class"] = [names[k] for k in table["Class"]]
        table["Difference"] = table["AP after"] - table["AP before"]
        with column:
            st.caption(title)
            precise = st.column_config.NumberColumn(format="%.3f")
            signed = st.column_config.NumberColumn(format="%+.3f")
            st.dataframe(
                table,
                hide_index=True,
                column_config={
                    "Class": st.column_config.TextColumn(width="medium"),
                    "AP before": precise,
                    "AP after": precise,
                    "Difference": signed,
                },
            )
