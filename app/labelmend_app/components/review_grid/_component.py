"""The Python side: which queue the grid shows. Answers do not pass here, they go to `POST /api/decisions`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        expected: how many of the open ones should turn out right: the sum of their error_probability.
    """

    run_id: str
    class_index: int
    class_name: str
    kind: Kind
    n_suggested: int
    n_open: int
    expected: float


def review_grid(
    queue: ReviewQueue,
    *,
    workspace_key: str,
    reviewer: str,
    sides: Sequence[int],
    following: ReviewQueue | None,
    on_next: Callable[[], None],
) -> None:
    """Show the grid.

    Args:
        queue: what to review.
        workspace_key: as the server's routes know the workspace.
        reviewer: the name to begin with; the browser remembers another one.
        sides: the thumbnail sizes that the server makes.
        following: the queue to offer when this one ends, None when there is none.
        on_next: called when the reviewer takes it.
    """
    _mount(
        key="review_grid",
        data={
            **_plain(queue),
            "workspace": workspace_key,
            "reviewer": reviewer,
            "sides": [int(side) for side in sides],
            "next": None if following is None else _plain(following),
        },
        on_next_change=on_next,
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
