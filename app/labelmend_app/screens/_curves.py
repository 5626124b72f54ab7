"""The curves of a run over its epochs."""

import pandas as pd
import plotly.graph_objects as go

from labelmend_app.screens import _charts

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
