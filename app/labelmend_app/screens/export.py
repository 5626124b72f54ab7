"""Export: what the decisions change, and the corrected annotations to take home."""

import shlex
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from labelmend_app.export import CHANGES_NAME, changes, exported_annotations, exported_changes, is_one_file
from labelmend_core.ledger import Policy, decided_by
from labelmend_core.workspace import Workspace
from labelmend_datasets.formats import FORMATS

_POLICIES = list(Policy)
_MEANING = {
    Policy.LATEST: "the last answer counts",
    Policy.MAJORITY: "more reviewers than on the other side",
    Policy.UNANIMOUS: "every reviewer who answered agrees",
}
_KINDS = {
    "Labels added": (("unobserved", "absent"), "present"),
    "Labels removed": (("present",), "absent"),
    "Verified absent": (("unobserved",), "absent"),
}


def render(workspace: Workspace) -> None:
    """Draw the screen."""
    st.title("Export")
    policy = st.radio(
        "Where several reviewers answered",
        _POLICIES,
        key="policy",
        format_func=str.capitalize,
        captions=[_MEANING[policy] for policy in _POLICIES],
        horizontal=True,
        bind="query-params",
    )
    frame = changes(workspace, policy)
    _numbers(workspace, frame, policy)
    _downloads(workspace, policy)
    if frame.empty:
        st.info("No label changes yet: answer some suggestions on the **Review** screen and come back.")
        return
    st.subheader("What changes", anchor=False)
    _by_class(frame)
    st.dataframe(
        frame,
        hide_index=True,
        height="content" if len(frame) < 15 else 520,
        column_config={
            **{name: name.capitalize() for name in ("image", "class", "before", "after", "reviewer")},
            "decided_at": st.column_config.DatetimeColumn("Decided (UTC)", format="YYYY-MM-DD HH:mm:ss"),
        },
    )


def count_kinds(frame: pd.DataFrame) -> dict[str, int]:
    """Return how many changes of each sort there are: labels added, removed, and absences verified."""
    return {
        title: int((frame["before"].isin(before) & (frame["after"] == after)).sum())
        for title, (before, after) in _KINDS.items()
    }


def _numbers(workspace: Workspace, frame: pd.DataFrame, policy: Policy) -> None:
    decided = decided_by(workspace.ledger.decisions(), policy)
    numbers = {**count_kinds(frame), "Confirmed as given": len(decided) - len(frame)}
    for column, (title, number) in zip(st.columns(len(numbers)), numbers.items(), strict=True):
        column.metric(title, f"{number:,}")


def _downloads(workspace: Workspace, policy: Policy) -> None:
    """The files are made when the button is pressed, so that opening the screen costs nothing."""
    source = workspace.settings.source
    name = source if is_one_file(workspace) else f"{Path(source).stem}_corrected.zip"
    row = st.container(horizontal=True)
    row.download_button(
        "Corrected annotations",
        partial(exported_annotations, workspace, policy),
        file_name=name,
        mime="application/octet-stream",
        type="primary",
        icon=":material/download:",
        on_click="ignore",
    )
    row.download_button(
        "Changes as CSV",
        partial(exported_changes, workspace, policy),
        file_name=CHANGES_NAME,
        mime="text/csv",
        icon=":material/table:",
        on_click="ignore",
    )
    st.caption(
        f"Format: {FORMATS[workspace.settings.format].title}, as it came. "
        "This command writes the same into exports/corrected in the workspace's folder:"
    )
    st.code(
        f"labelmend export --workspace {shlex.quote(str(workspace.folder.resolve()))} --policy {policy.value}",
        language="bash",
    )


def _by_class(frame: pd.DataFrame) -> None:
    if frame["class"].nunique() < 2:
        return
    sort = pd.Series("", index=frame.index)
    for title, (before, after) in _KINDS.items():
        sort[frame["before"].isin(before) & (frame["after"] == after)] = title
    table = pd.crosstab(frame["class"], sort).reindex(columns=list(_KINDS), fill_value=0)
    table = table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index].reset_index()
    with st.expander(f"By class ({len(table)})"):
        st.dataframe(table.rename(columns={"class": "Class"}), hide_index=True)
