"""The panel: how far the review is, buttons that decide, and the curves of the run that made the suggestions."""

from typing import Any

from fiftyone.operators import Panel, PanelConfig, types

from . import suggestions as own
from .operators import URI

# Readable on white and on black alike.
_TEXT, _GRID = "#808080", "rgba(128,128,128,0.25)"
_COLOURS = {
    "accepted": "#2f9e6e",
    "rejected": "#d1495b",
    "unsure": "#e0a030",
    "skipped": "#9a8fb8",
    own.OPEN: "#9aa5b1",
}
_LINES = ("#2f86d6", "#e0782f", "#2f9e6e", "#8d5fd3", "#d1495b")


class ProgressPanel(Panel):
    """Drawn anew whenever the selection, the open picture, the view or the dataset changes, as they do by deciding."""

    @property
    def config(self) -> Any:
        """What the App shows of it."""
        return PanelConfig(
            name="labelmend_progress", label="labelmend", icon="checklist", surfaces="grid modal", allow_multiple=False
        )

    def on_load(self, ctx: Any) -> None:
        """Nothing is kept: `render` follows each event and reads the database."""

    def on_change_selected(self, ctx: Any) -> None:
        """See `on_load`."""

    def on_change_current_sample(self, ctx: Any) -> None:
        """See `on_load`."""

    def on_change_view(self, ctx: Any) -> None:
        """See `on_load`."""

    def on_change_dataset(self, ctx: Any) -> None:
        """See `on_load`."""

    def refresh(self, ctx: Any) -> None:
        """See `on_load`."""

    def render(self, ctx: Any) -> Any:
        """Draw it."""
        panel = types.Object()
        if not own.is_mirror(ctx.dataset):
            panel.message("foreign", "This dataset was not made by labelmend. Run 'labelmend fiftyone push' first.")
            return types.Property(panel)
        found, says = own.progress(ctx.dataset), ctx.dataset.info[own.MARK]
        _buttons(panel, self)
        _sentences(panel, found)
        if found.total:
            _plot(panel, "queue", _bars(found), "Suggestions by kind", "number of suggestions", "", barmode="stack")
        curves = says.get("curves") or {}
        if "loss" in curves:
            _plot(panel, "loss", _lines(curves["loss"]), "Training loss", "epoch", "loss for each image")
        if "gradient" in curves:
            title = f"Gradient by probability, epoch {curves['gradient_epoch']}"
            _plot(panel, "gradient", _lines(curves["gradient"]), title, "probability p, 0 to 1", "mean dL/dz")
        if not curves and found.total:
            panel.message("no_curves", "The run of these suggestions left no curves: it was not trained here.")
        return types.Property(
            panel, view=types.GridView(orientation="vertical", align_x="left", padding=1, gap=1, width=100)
        )


def _buttons(panel: Any, own_panel: ProgressPanel) -> None:
    # Two rows: in one they would be wider than the panel is beside the grid.
    decide, more = panel.h_stack("decide", gap=1), panel.h_stack("more", gap=1)
    decide.btn("accept", label="Accept", icon="check", variant="outlined", on_click=f"{URI}/accept")
    decide.btn("reject", label="Reject", icon="close", variant="outlined", on_click=f"{URI}/reject")
    decide.btn("unsure", label="Unsure", icon="question_mark", variant="outlined", on_click=f"{URI}/unsure")
    more.btn("next", label="Next", icon="skip_next", variant="contained", on_click=f"{URI}/next_suggestion")
    more.btn("open_again", label="Open again", icon="undo", on_click=f"{URI}/open_again")
    more.btn("refresh", label="Count again", icon="refresh", on_click=own_panel.refresh)


def _sentences(panel: Any, found: own.Progress) -> None:
    if not found.total:
        panel.message("none", "No suggestions yet. Run 'labelmend suggest', then 'labelmend fiftyone push'.")
        return
    panel.message(
        "progress", f"{found.decided:,} of {found.total:,} suggestions decided ({found.decided / found.total:.0%})."
    )
    if found.waiting:
        panel.message("waiting", f"{found.waiting:,} decisions wait for 'labelmend fiftyone pull'.")


def _bars(found: own.Progress) -> list[dict[str, Any]]:
    kinds = sorted({kind for kind, _ in found.counts}, reverse=True)
    statuses = [one for one in _COLOURS if any(status == one for _, status in found.counts)]
    return [
        {
            "type": "bar",
            "orientation": "h",
            "name": status,
            "y": kinds,
            "x": [found.counts.get((kind, status), 0) for kind in kinds],
            "marker": {"color": _COLOURS[status]},
        }
        for status in statuses
    ]


def _lines(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"type": "scatter", "mode": "lines+markers", "line": {"color": colour, "width": 2}, **line}
        for line, colour in zip(lines, _LINES, strict=False)
    ]


def _plot(panel: Any, name: str, data: list[dict[str, Any]], title: str, x: str, y: str, **more: Any) -> None:
    axis = {"color": _TEXT, "gridcolor": _GRID, "zerolinecolor": _GRID, "automargin": True}
    layout = {
        "title": {"text": title, "font": {"color": _TEXT, "size": 15}, "x": 0, "xref": "paper", "y": 0.98},
        "xaxis": {"title": {"text": x}, **axis},
        "yaxis": {"title": {"text": y}, **axis},
        "legend": {"orientation": "h", "font": {"color": _TEXT}, "x": 0, "y": 1.02, "yanchor": "bottom"},
        "showlegend": len(data) > 1,
        "height": 300,
        "margin": {"t": 90 if len(data) > 1 else 45, "r": 20, "b": 40, "l": 50},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        **more,
    }
    panel.plot(name, data=data, layout=layout, config={"displayModeBar": False})
