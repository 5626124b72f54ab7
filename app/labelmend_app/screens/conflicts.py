"""Conflicts: how far reviewers agree on each class, and the cells on which they do not, to be settled one by one."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from labelmend_app.screens._reviewer import choose_reviewer
from labelmend_app.screens._settling import go, settle_one
from labelmend_core.ledger import Agreement, Conflict, agreements, conflicts
from labelmend_core.workspace import Workspace

SETTLED_PARAMETER = "settled"
_TABLE, _CACHE, _SHARE = "conflicts_table", "conflicts_read", "conflicts_share"


def render(workspace: Workspace) -> None:
    """Draw the screen."""
    st.title("Conflicts")
    found, disputed = _read(workspace)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reviewer = choose_reviewer(workspace, label="You settle them as")
        _double_review(workspace)
        with_settled = st.toggle("Show settled ones, too", key=SETTLED_PARAMETER, bind="query-params")
    if not found[0].cells and not disputed:
        _nothing_shared(workspace, found[0])
        return
    _numbers(found[0], disputed)
    shown = [conflict for conflict in disputed if with_settled or conflict.settled is None]
    if not settle_one(workspace, shown, disputed, reviewer):
        _nothing_open(disputed)
    _table(workspace, found, disputed)


def _read(workspace: Workspace) -> tuple[list[Agreement], list[Conflict]]:
    """Return agreement and conflicts; worked out anew only after another decision."""
    newest = workspace.ledger.newest()
    known = st.session_state.get(_CACHE)
    if known is None or known[0] != newest:
        answers = workspace.ledger.shared_answers()
        known = st.session_state[_CACHE] = (newest, (agreements(answers), conflicts(answers)))
    read: tuple[list[Agreement], list[Conflict]] = known[1]
    return read


def _double_review(workspace: Workspace) -> None:
    percent = workspace.double_review.percent
    st.session_state[_SHARE] = percent
    st.number_input(
        "Asked of a second reviewer, % of the cells",
        0,
        100,
        key=_SHARE,
        on_change=lambda: workspace.double_review.set(int(st.session_state[_SHARE])),
        help="Of this share of the suggestions two reviewers are asked, and neither can tell which these are. "
        "It counts for everybody who works on this project.",
        width=280,
    )


def _nothing_shared(workspace: Workspace, found: Agreement) -> None:
    names = workspace.ledger.reviewers()
    if not names:
        st.info("Nobody has answered yet: begin on the **Review** screen.")
        return
    if len(names) == 1:
        with st.container(horizontal=True):
            st.text(f"So far only {names[0]} has answered.")
    else:
        unsure = f" Somebody was unsure of {found.unsure:,} of them." if found.unsure else ""
        st.text(f"{len(names)} reviewers have answered, but none of the same pictures so far.{unsure}")
    st.info(
        "To see how far reviewers agree, let a second one choose another name on the **Review** screen, in a browser "
        "tab of their own, and have a share of the suggestions asked twice: set it above."
    )


def _nothing_open(disputed: list[Conflict]) -> None:
    if disputed:
        st.success(
            f"All {len(disputed):,} conflicts are settled. Take the annotations home on the **Export** screen, "
            "or turn on *Show settled ones, too* to look at them again."
        )
    else:
        st.success("The reviewers agree on every picture that two of them answered.")


def _numbers(found: Agreement, disputed: list[Conflict]) -> None:
    n_open = sum(conflict.settled is None for conflict in disputed)
    kappa = found.measure and f"{found.measure}'s κ"
    numbers = {
        "Open conflicts": (f"{n_open:,}", f"{len(disputed) - n_open:,} are settled."),
        "Answered by two or more": (f"{found.cells:,} cells", "A cell is one class of one picture."),
        "Answered alike": (_percent(found.share), "Of the pairs of answers to one cell, the mean over cells."),
        kappa or "κ": (
            "–" if found.kappa is None else f"{found.kappa:.2f}",
            "Agreement beyond chance: 1 is complete, 0 what chance gives. "
            + (found.why and f"There is none yet: {found.why}.")
            + (f"90 % interval: {_interval(found)}." if found.low is not None else ""),
        ),
    }
    for column, (title, (number, note)) in zip(st.columns(len(numbers)), numbers.items(), strict=True):
        column.metric(title, number, help=note)


def _table(workspace: Workspace, found: list[Agreement], disputed: list[Conflict]) -> None:
    st.subheader("Agreement by class", anchor=False)
    st.caption("Click a row to see its conflicts, the open ones first.")
    of_classes = found[1:]
    table = agreement_table(of_classes, disputed, workspace.dataset.class_names)
    st.dataframe(
        table,
        key=_TABLE,
        hide_index=True,
        height="content" if len(table) < 15 else 560,
        on_select=lambda: _open_row(of_classes, disputed),
        selection_mode="single-cell",
        column_config={
            "Alike": st.column_config.NumberColumn("Answered alike", format="%.0f %%"),
            "κ": st.column_config.NumberColumn(
                help="Cohen's for two reviewers, Fleiss' for more: 1 is complete agreement, 0 what chance gives.",
                format="%.2f",
            ),
            "Unsure": st.column_config.NumberColumn(help="Cells that one answered and another was unsure of."),
        },
    )


def agreement_table(of_classes: list[Agreement], disputed: list[Conflict], class_names: Sequence[str]) -> pd.DataFrame:
    """Return what the table shows, one row a class.

    Args:
        of_classes: of `agreements`, without that of all classes.
        disputed: of `conflicts`.
        class_names: length K.
    """
    open_, settled = (
        pd.Series([c.class_index for c in disputed if (c.settled is None) == is_open], dtype=int).value_counts()
        for is_open in (True, False)
    )
    return pd.DataFrame(
        {
            "Class": [class_names[found.class_index or 0] for found in of_classes],
            "Open conflicts": [int(open_.get(found.class_index, 0)) for found in of_classes],
            "Settled": [int(settled.get(found.class_index, 0)) for found in of_classes],
            "Answered by two": [found.cells for found in of_classes],
            "Alike": [None if found.share is None else 100 * found.share for found in of_classes],
            "κ": [found.kappa for found in of_classes],
            "90 % interval": [found.why if found.low is None else _interval(found) for found in of_classes],
            "Unsure": [found.unsure for found in of_classes],
            "Reviewers": [", ".join(found.reviewers) for found in of_classes],
        }
    )


def _open_row(of_classes: list[Agreement], disputed: list[Conflict]) -> None:
    selection = st.session_state[_TABLE].selection
    if not selection.cells:
        return
    chosen = of_classes[selection.cells[0][0]].class_index
    here = [conflict for conflict in disputed if conflict.class_index == chosen]
    first = next((conflict for conflict in here if conflict.settled is None), here[0] if here else None)
    if first is not None:
        go(first)


def _interval(found: Agreement) -> str:
    return f"{found.low:.2f} to {found.high:.2f}".replace("-", "−")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"
