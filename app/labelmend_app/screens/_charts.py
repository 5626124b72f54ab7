"""What every chart of the screens shares: colours, the axis of classes, and text that stays text."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

# Told apart by colour-blind readers (after Okabe and Ito) and legible on white and on black.
GIVEN = "#8a8f98"
MISSING = "#2f86d6"
SPURIOUS = "#e69f00"
ABSENT = "#cc5fa8"
PRESENT = "#009e73"
GROUPS = {"positive": PRESENT, "unobserved": GIVEN, "absent": ABSENT, "flagged": SPURIOUS, "planted": MISSING}
SERIES = ("#2f86d6", "#e69f00", "#009e73", "#cc5fa8", "#8a8f98", "#d55e00", "#7ac4f0", "#b8a200")

PANEL_WIDTH = 1200  # px: the whole of a small screen, half of a large one

_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def plain(text: str, limit: int = 0) -> str:
    """Return a name from the user's files as plotly shows it unchanged, for plotly renders a part of HTML.

    Args:
        text: any string.
        limit: longest length in characters, 0 for any.

    Example:
        >>> plain("<b>cat</b> & dog")
        '&lt;b&gt;cat&lt;/b&gt; &amp; dog'
        >>> plain("a very long name", limit=8)
        'a very …'
    """
    visible = "".join(sign if sign.isprintable() else " " for sign in text)
    if limit and len(visible) > limit:
        visible = visible[: limit - 1] + "…"
    return visible.translate(_HTML)


def class_ticks(names: Sequence[str], limit: int = 24) -> dict[str, Any]:
    """Return the settings of an axis whose positions 0, 1, … are the given classes.

    Positions and not names, because plotly would read names such as "3" or "2024-01-01" as numbers and dates.
    """
    return {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": [plain(n, limit) for n in names]}


def layout(figure: go.Figure, title: str, height: int, *, legend: bool = True) -> go.Figure:
    """Give a figure its title, height and margins, with the legend in a row under the title, and return it."""
    above = 48 + (24 if legend else 0) + (20 if figure.layout.annotations else 0)
    row = {"orientation": "h", "yref": "container", "y": 1 - 32 / height, "yanchor": "top", "x": 0, "xanchor": "left"}
    figure.update_layout(
        title={
            "text": title,
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "yref": "container",
            "pad": {"t": 8},
        },
        height=height,
        margin={"l": 8, "r": 8, "t": above, "b": 8},
        legend={**row, "traceorder": "normal"},
        showlegend=legend,
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure


def under_legend(figure: go.Figure, names: Sequence[str], width: int, *, title: str = "") -> go.Figure:
    """Give a figure that fills its place the margins under its legend and title, and return it.

    Args:
        figure: of subplots with titles of their own.
        names: what the legend shows.
        width: px that the legend has at least, from which the number of its rows is taken.
        title: a line under the legend.
    """
    taken, rows = 0, 1
    for name in names:
        entry = 7 * len(name) + 60
        rows, taken = (rows + 1, entry) if taken + entry > width else (rows, taken + entry)
    figure.update_layout(
        # Pixels above the charts, since the height is not known here.
        title={
            "text": title,
            "x": 0,
            "xanchor": "left",
            "yref": "paper",
            "y": 1,
            "yanchor": "bottom",
            "pad": {"b": 30},
        },
        margin={"l": 8, "r": 8, "t": 26 * rows + (28 if title else 0) + 30, "b": 8},
        font={"family": "Arial, Helvetica, sans-serif"},  # a picture does not take the page's own along
        legend={"orientation": "h", "x": 0, "xanchor": "left", "yref": "container", "y": 1, "yanchor": "top"},
        autosize=True,
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure


# Drawing only: no logo, and no buttons but those that somebody uses.
CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"]}
