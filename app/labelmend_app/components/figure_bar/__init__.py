"""The buttons under a chart: play its frames, download it as a picture."""

from labelmend_app.components.figure_bar._component import figure_bar

__all__ = ["figure_bar"]
