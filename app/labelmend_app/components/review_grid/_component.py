"""The Python side: which queue the grid shows. Answers do not pass here, they go to `POST /api/decisions`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from labelmend_core.types import Kind

FRONTEND = Path(__file__).parent / "frontend"
FRONTEND_URL = "/review-grid"

# Streamlit gives inline code to the browser as one blob, which cannot import its neighbours by a relative path.
_ENTRY = f"""export default async (component) => {{
  const grid = await import(new URL("{FRONTEND_URL}/review_grid.js", location.origin).href);
  return grid.default(component);
}};"""

_mount = st.components.v2.component(
    "labelmend.review_grid",
    html='<div class="review-grid"></div>',
    css=(FRONTEND / "review_grid.css").read_text(encoding="utf-8"),
    js=_ENTRY,
)


@dataclass(frozen=True)
class ReviewQueue:
    """The suggestions of one run about one class and one kind.

    Attributes:
        n_suggested, n_open: how many there are, and how many of them are not answered.
        expected: how many of the open ones should turn out right: the sum of their probabilities now.
        n_said, n_accepted: how many were answered with present or absent, and how many of those mended a label.
    """

    run_id: str
    class_index: int
    class_name: str
    kind: Kind
    n_suggested: int
    n_open: int
    expected: float
    n_said: int = 0
    n_accepted: int = 0


@dataclass(frozen=True)
class Actions:
    """What is called when the page asks for something that the address says.

    Attributes:
        on_next: the reviewer takes the queue that is offered.
        on_by: one image at a time, or class by class again.
        on_blind: blind, or seeing again.
    """

    on_next: Callable[[], None]
    on_by: Callable[[], None]
    on_blind: Callable[[], None]


def review_grid(
    queue: ReviewQueue,
    *,
    workspace_key: str,
    reviewer: str,
    sides: Sequence[int],
    following: ReviewQueue | None,
    actions: Actions,
    pick: Mapping[str, str] | None = None,
    picked: tuple[str, int] | None = None,
    by: Literal["class", "image"] = "class",
    blind: bool = False,
    expects: Literal["accept", "reject"] = "accept",
    decided_elsewhere: int = 0,
) -> None:
    """Show the grid.

    Args:
        queue: what to review.
        workspace_key: as the server's routes know the workspace.
        reviewer: who answers; the page opens a log of its own for each name.
        sides: the thumbnail sizes that the server makes.
        following: the queue to offer when this one ends, None when there is none.
        actions: what to call.
        pick: what the server is to cut the queue by, as in the address of the page.
        picked: what was picked in all classes, in words, and how much of it is answered in the others; None for all.
        by: show the queue, or one image at a time with its suggestions of all classes and both kinds.
        blind: tell the page nothing of what the model thinks.
        expects: what Enter makes of pictures of a queue that nobody decided.
        decided_elsewhere: newest decision that was made on another screen: with another one the page asks anew.
    """
    _mount(
        key="review_grid",
        data={
            **_plain(queue),
            "workspace": workspace_key,
            "reviewer": reviewer,
            "sides": [int(side) for side in sides],
            "next": None if following is None else _plain(following),
            "pick": dict(pick or {}),
            "by": by,
            "blind": bool(blind),
            "expects": expects,
            "decided_elsewhere": int(decided_elsewhere),
            "picked": None if picked is None else {"sentence": picked[0], "elsewhere": int(picked[1])},
        },
        on_next_change=actions.on_next,
        on_by_change=actions.on_by,
        on_blind_change=actions.on_blind,
    )


def _plain(queue: ReviewQueue) -> dict[str, Any]:
    """Only Python's own types: one numpy scalar would turn all data into one string."""
    return {
        "run": str(queue.run_id),
        "class_index": int(queue.class_index),
        "class_name": str(queue.class_name),
        "kind": queue.kind.value,
        "open": int(queue.n_open),
    }
