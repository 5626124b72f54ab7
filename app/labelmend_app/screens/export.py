"""Export: what the decisions change, and the corrected annotations to take home."""

import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from labelmend_app.export import (
    CHANGES_NAME,
    changes,
    changes_as_csv,
    changes_as_json,
    exported_annotations,
    exported_name,
    is_one_file,
    writable_formats,
)
from labelmend_app.report import report_page
from labelmend_app.review.api import workspace_key
from labelmend_app.screens._fiftyone import fiftyone
from labelmend_core.ledger import Policy, decided_by
from labelmend_core.workspace import Workspace
from labelmend_datasets.formats import FORMATS

_POLICIES = list(Policy)
_MEANING = {
    Policy.LATEST: "the last answer counts",
    Policy.MAJORITY: "more reviewers than on the other side",
    Policy.UNANIMOUS: "every reviewer who answered agrees",
}
_ALL = "all"
_ROW_HEIGHT, _CHOICE_WIDTH = 64, 480  # px
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
    _downloads(workspace, frame, policy)
    fiftyone(workspace)
    if frame.empty:
        st.info("No label changes yet: answer some suggestions on the **Review** screen and come back.")
        return
    st.subheader("What changes", anchor=False)
    _by_class(frame)
    _preview(workspace, frame)


def _preview(workspace: Workspace, frame: pd.DataFrame) -> None:
    """Draw the changes of one class or of all, with their pictures; the browser loads those that it shows."""
    shown = _of_class(workspace, frame)
    place = {image_id: index for index, image_id in enumerate(workspace.dataset.image_ids)}
    key = workspace_key(workspace)
    pictures = [f"/api/thumbnail/{place[image]}?side=160&workspace={key}" for image in shown["image"]]
    table = shown.reset_index(drop=True)
    table.insert(0, "picture", pictures)
    table = table[["picture", "class", "before", "after", "image", "reviewer", "adjudicated", "decided_at"]]
    st.caption(f"{len(shown):,} of {len(frame):,} changes." if len(shown) < len(frame) else f"{len(frame):,} changes.")
    st.dataframe(
        table,
        hide_index=True,
        row_height=_ROW_HEIGHT,
        height="content" if len(table) < 10 else 640,
        column_config={
            **{name: name.capitalize() for name in ("image", "before", "after", "reviewer")},
            "picture": st.column_config.ImageColumn("Picture", width="small"),
            "class": st.column_config.TextColumn("Class", width="medium"),
            "adjudicated": st.column_config.CheckboxColumn("Settled", help="Given on the Conflicts screen."),
            "decided_at": st.column_config.DatetimeColumn("Decided (UTC)", format="YYYY-MM-DD HH:mm:ss"),
        },
    )


def _of_class(workspace: Workspace, frame: pd.DataFrame) -> pd.DataFrame:
    """Draw the choice of a class, which the address keeps by its index, and return its changes."""
    names, counts = workspace.dataset.class_names, frame["class"].value_counts()
    index = {name: k for k, name in enumerate(names)}
    classes = [_ALL, *(str(index[name]) for name in counts.index)]
    wanted = st.query_params.get("class", _ALL)
    chosen = st.selectbox(
        "Class",
        classes,
        classes.index(wanted) if wanted in classes else 0,
        format_func=lambda k: "all classes" if k == _ALL else f"{names[int(k)]} ({counts[names[int(k)]]:,})",
        key="export_class",
        width=_CHOICE_WIDTH,
    )
    if chosen == _ALL:
        st.query_params.pop("class", None)
        return frame
    st.query_params["class"] = chosen
    return frame[frame["class"] == names[int(chosen)]]


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


def _downloads(workspace: Workspace, frame: pd.DataFrame, policy: Policy) -> None:
    """The files are made when a button is pressed, so that opening the screen costs nothing."""
    formats = writable_formats(workspace)
    chosen = st.selectbox(
        "Format of the annotations",
        list(formats),
        format_func=lambda name: FORMATS[name].title,
        key="format",
        bind="query-params",
        width=_CHOICE_WIDTH,
    )
    st.caption(formats[chosen])
    name = exported_name(workspace, chosen)
    one_file = is_one_file(workspace, chosen)
    stem = Path(CHANGES_NAME).stem
    with st.container(horizontal=True):
        _download(
            "Corrected annotations",
            partial(exported_annotations, workspace, policy, chosen),
            name if one_file else f"{Path(name).stem}_corrected.zip",
            icon="download",
            first=True,
        )
        _download("Changes as CSV", partial(changes_as_csv, frame), CHANGES_NAME, icon="table")
        _download("Changes as JSON", partial(changes_as_json, frame), f"{stem}.json", icon="data_object")
        report = partial(report_page, workspace, policy)
        _download("Report", lambda: report().encode("utf-8"), "labelmend_report.html", icon="description")
    st.caption("This command writes the same annotations into exports/corrected in the workspace's folder:")
    line = ["labelmend", "export", "--workspace", str(workspace.folder.resolve()), "--policy", policy.value]
    if chosen != workspace.settings.format:
        line += ["--format", chosen]
    st.code(shlex.join(line), language="bash")


def _download(label: str, make: Callable[[], bytes], name: str, *, icon: str, first: bool = False) -> None:
    st.download_button(
        label,
        make,
        file_name=name,
        mime="application/octet-stream",
        type="primary" if first else "secondary",
        icon=f":material/{icon}:",
        on_click="ignore",
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
