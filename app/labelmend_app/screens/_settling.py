"""One conflict after the other: the picture, who said what, and an answer that settles it."""

import uuid
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from labelmend_app.review.api import workspace_key
from labelmend_core.ledger import Conflict
from labelmend_core.types import ABSENT, PRESENT, UNOBSERVED, Decision, Verdict
from labelmend_core.workspace import Workspace

CLASS_PARAMETER, IMAGE_PARAMETER = "class", "image"
_CLIENT, _DONE = "conflicts_client", "conflicts_done"
_SAID = {Verdict.PRESENT: "it is there", Verdict.ABSENT: "it is not", Verdict.UNSURE: "unsure"}
_GIVEN = {PRESENT: "labelled so", ABSENT: "labelled as absent", UNOBSERVED: "not labelled"}
_STYLE = """<style>
.st-key-conflict_question [data-testid="stText"] { font-size: 1.5rem; font-weight: 600; white-space: pre-wrap;
    overflow-wrap: anywhere; max-height: 9rem; overflow-y: auto; }
.conflict-picture { display: block; width: 100%; height: clamp(18rem, 100vh - 23rem, 60vh);
    object-fit: contain; object-position: left top; }
</style>"""


def settle_one(workspace: Workspace, shown: list[Conflict], every: list[Conflict], reviewer: str) -> bool:
    """Draw the conflict that the address names, or the first, with the answers that settle it.

    Args:
        workspace: where the answers go.
        shown: the conflicts to walk through.
        every: all of them, settled ones included: the address may name any.
        reviewer: who settles.

    Returns:
        Whether there was one to draw.
    """
    conflict = _named(shown, every)
    if conflict is None:
        _undo_button(workspace, reviewer)
        return False
    st.html(_STYLE)
    dataset = workspace.dataset
    picture, words = st.columns([3, 2], gap="large")
    source = f"/api/image/{conflict.image}?workspace={workspace_key(workspace)}"
    picture.html(f'<img class="conflict-picture" src="{source}" alt="the picture in question">')
    with words:
        place = shown.index(conflict) + 1 if conflict in shown else 0
        st.caption(f"Conflict {place:,} of {len(shown):,}" if place else "A settled conflict")
        with st.container(key="conflict_question"):
            st.text(f"Is there a {dataset.class_names[conflict.class_index]} in this picture?")
        given = int(dataset.given_labels.values([conflict.image], [conflict.class_index])[0])
        st.text(f"{dataset.image_ids[conflict.image]}, {_GIVEN[given]} in the annotations")
        _answers(conflict)
        _buttons(workspace, conflict, shown, reviewer)
    return True


def go(conflict: Conflict) -> None:
    """Write a conflict into the address, so that a reload and a bookmark lead back to it."""
    st.query_params[CLASS_PARAMETER] = str(conflict.class_index)
    st.query_params[IMAGE_PARAMETER] = str(conflict.image)


def _named(shown: list[Conflict], every: list[Conflict]) -> Conflict | None:
    """Return what the address asks for; what it names wrongly is as good as not named."""
    class_index, image = (st.query_params.get(name, "") for name in (CLASS_PARAMETER, IMAGE_PARAMETER))
    here = [conflict for conflict in every if str(conflict.class_index) == class_index]
    exact = next((conflict for conflict in here if str(conflict.image) == image), None)
    of_class = next((conflict for conflict in shown if conflict in here), None)
    return exact or of_class or next(iter(shown), None)


def _answers(conflict: Conflict) -> None:
    said = list(conflict.answers)
    table = pd.DataFrame(
        {
            "Reviewer": [answer.reviewer for answer in said],
            "Said": [_SAID[answer.verdict] for answer in said],
            "When (UTC)": [answer.decided_at for answer in said],
        }
    )
    time = st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss")
    st.dataframe(table, hide_index=True, height="content", column_config={"When (UTC)": time})
    if conflict.settled is not None:
        settled = conflict.settled
        st.text(f"Settled by {settled.reviewer}, {settled.decided_at:%Y-%m-%d %H:%M} UTC: {_SAID[settled.verdict]}")


def _buttons(workspace: Workspace, conflict: Conflict, shown: list[Conflict], reviewer: str) -> None:
    following = _after(conflict, shown)
    with st.container(horizontal=True):
        for verdict, label, shortcut in (
            (Verdict.PRESENT, "It is there", "P"),
            (Verdict.ABSENT, "It is not", "A"),
        ):
            st.button(
                label,
                key=f"conflict_{verdict.value}",
                type="primary",
                shortcut=shortcut,
                on_click=_settle,
                args=(workspace, conflict, verdict, reviewer, following),
            )
        st.button(
            "Leave",
            key="conflict_leave",
            shortcut="L",
            on_click=go,
            args=(following or conflict,),
            disabled=following is None,
            help="Go on to the next conflict; this one stays open.",
        )
        _undo_button(workspace, reviewer)
        if conflict.settled is not None:
            st.button(
                "Open it again",
                key="conflict_reopen",
                on_click=_take_back,
                args=(workspace, reviewer, conflict.settled.client, conflict.settled.seq, conflict),
                help="Takes back what settled it; the reviewers' answers stay.",
            )
    st.caption("What you say here counts under every policy, and can be undone.")


def _undo_button(workspace: Workspace, reviewer: str) -> None:
    done = st.session_state.get(_DONE)
    st.button(
        "Undo",
        key="conflict_undo",
        icon=":material/undo:",
        shortcut="Backspace",
        on_click=_undo,
        args=(workspace, reviewer),
        disabled=not done,
        help="Takes back what you settled last in this tab.",
    )


def _after(conflict: Conflict, shown: list[Conflict]) -> Conflict | None:
    """Return the next one to look at: of the same class first, then of the next classes, then from the beginning."""
    order = sorted(shown, key=lambda other: (other.class_index, other.image))
    here = (conflict.class_index, conflict.image)
    later = [other for other in order if (other.class_index, other.image) > here]
    same = [other for other in order if other.class_index == conflict.class_index and other.image != conflict.image]
    of_class = [other for other in later if other.class_index == conflict.class_index]
    others = [other for other in order if other.class_index != conflict.class_index]
    return next(iter([*of_class, *same, *later, *others]), None)


def _settle(
    workspace: Workspace, conflict: Conflict, verdict: Verdict, reviewer: str, following: Conflict | None
) -> None:
    client, seq = _next_event(workspace)
    now = datetime.now(UTC)
    cell = (conflict.image, conflict.class_index)
    workspace.ledger.append([Decision(client, seq, *cell, verdict, reviewer, now, adjudicates=True)])
    st.session_state.setdefault(_DONE, []).append((client, seq, conflict))
    if following is not None:
        go(following)
    else:
        st.query_params.pop(IMAGE_PARAMETER, None)


def _undo(workspace: Workspace, reviewer: str) -> None:
    if st.session_state.get(_DONE):  # a key may be pressed twice before the screen is drawn
        _take_back(workspace, reviewer, *st.session_state[_DONE].pop())


def _take_back(workspace: Workspace, reviewer: str, client: str, seq: int, conflict: Conflict) -> None:
    own, next_seq = _next_event(workspace)
    cell = (conflict.image, conflict.class_index)
    undo = Decision(own, next_seq, *cell, Verdict.UNDO, reviewer, datetime.now(UTC), undoes=(client, seq))
    workspace.ledger.append([undo])
    go(conflict)


def _next_event(workspace: Workspace) -> tuple[str, int]:
    """Return the name of the next event of this tab in the ledger."""
    client: str = st.session_state.setdefault(_CLIENT, f"conflicts-{uuid.uuid4()}")
    return client, workspace.ledger.acknowledged(client) + 1
