"""The curves of a run over its epochs, and the gradient of its loss by probability."""

import pandas as pd
import plotly.graph_objects as go

from labelmend_app.screens import _charts
from labelmend_core.gradient_groups import GROUP_WORDS

# Title, vertical axis, and for each column of `metrics.parquet` its words.
_PANELS = (
    ("Training loss", "loss for each image", {"loss": "loss"}),
    ("Quality on validation images", "0 to 1, higher is better", {"map": "mAP", "cf1": "CF1", "of1": "OF1"}),
    ("Speed", "images/s", {"images_per_second": "images/s"}),
)


def training_curves(metrics: pd.DataFrame) -> list[go.Figure]:
    """Return loss, quality and speed of every epoch; without validation images there is no curve of quality.

    Args:
        metrics: as in `metrics.parquet`, a row for each epoch.
    """
    return [
        _panel(metrics, title, unit, series)
        for title, unit, series in _PANELS
        if not metrics[list(series)].isna().to_numpy().all()
    ]


def gradient_curve(gradients: pd.DataFrame) -> go.Figure:
    """Return the mean gradient of the newest epoch by probability, a line for each group of cells.

    Args:
        gradients: as in `gradients.parquet`, a row for each epoch, group and bin.
    """
    epoch = int(gradients["epoch"].max())
    newest = gradients[gradients["epoch"] == epoch]
    figure = go.Figure()
    for group, words in GROUP_WORDS.items():
        rows = newest[newest["group"] == group].sort_values("p_low")
        if rows.empty:
            continue
        line = go.Scatter(
            x=(rows["p_low"] + rows["p_high"]) / 2,
            y=rows["gradient"],
            customdata=rows[["p_low", "p_high", "count"]],
            name=words,
            mode="lines+markers",
            line={"color": _charts.GROUPS[group], "width": 2},
            hovertemplate="p %{customdata[0]:.2f} to %{customdata[1]:.2f}: %{y:.3~g}<br>%{customdata[2]:,} cells",
        )
        figure.add_trace(line)
    figure.update_xaxes(title_text="probability p, 0 to 1", range=[0, 1])
    figure.update_yaxes(title_text="mean dL/dz; below 0 raises p")
    return _charts.layout(figure, f"Gradient by probability, epoch {epoch + 1}", 300)


def _panel(metrics: pd.DataFrame, title: str, unit: str, series: dict[str, str]) -> go.Figure:
    figure = go.Figure()
    for (name, label), colour in zip(series.items(), _charts.SERIES, strict=False):
        line = go.Scatter(
            x=metrics["epoch"] + 1,
            y=metrics[name],
            name=label,
            mode="lines+markers",
            line={"color": colour, "width": 2},
            hovertemplate="epoch %{x}: %{y:.4~g}",
        )
        figure.add_trace(line)
    figure.update_xaxes(title_text="epoch", tickformat="d", range=[0.5, max(len(metrics), 5) + 0.5])
    figure.update_yaxes(title_text=unit, rangemode="tozero")
    return _charts.layout(figure, title, 300, legend=len(series) > 1)
