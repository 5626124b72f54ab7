"""The Python side: which chart, and which of its frames is shown."""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

_FOLDER = Path(__file__).parent

_mount = st.components.v2.component(
    "labelmend.figure_bar",
    html="""
    <div class="bar">
      <div class="player" hidden>
        <button class="play" type="button"></button>
        <input type="range" min="0" step="1">
        <output></output>
      </div>
      <button class="picture" type="button" data-format="png">PNG</button>
      <button class="picture" type="button" data-format="svg">SVG</button>
    </div>
    """,
    css=(_FOLDER / "figure_bar.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "figure_bar.js").read_text(encoding="utf-8"),
)


def figure_bar(
    chart: str,
    file_name: str,
    *,
    frames: Sequence[int] = (),
    frame: int = 0,
    on_frame: Callable[[int], None] | None = None,
) -> None:
    """Show the bar.

    The browser plays the frames and makes the pictures by itself, so that neither waits for the server.

    Args:
        chart: the key of a `st.plotly_chart` on the same page.
        file_name: of the pictures, without the ending.
        frames: the epochs that the chart has frames of; with fewer than two there is nothing to play.
        frame: the epoch that the chart shows at first.
        on_frame: called with the epoch that is shown when the reader stops there or the last one was played.
    """
    key = f"{chart}_bar"

    def chosen() -> None:
        if on_frame is not None:
            on_frame(int(st.session_state[key]["epoch"]))

    _mount(
        key=key,
        data={"chart": chart, "file": file_name, "frames": [int(e) for e in frames], "frame": int(frame)},
        on_epoch_change=chosen,
    )
