"""A loss with its settings as one curve: as text for the address and the legend, as points, as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pandas as pd

from labelmend_app.cli._values import pairs, plain
from labelmend_core.curve_batch import CurveBatch
from labelmend_core.curves import loss_curve
from labelmend_core.errors import InputError
from labelmend_core.hyperparameter import Hyperparameter, Value

TARGETS = (1, 0, -1)
_PROBE = "a few probabilities"
_GRIDS = {
    "pred_prob": np.linspace(0.005, 0.995, 199),
    "logit": np.linspace(-6.0, 6.0, 241),
    _PROBE: np.linspace(0.02, 0.98, 25),
}


@dataclass(frozen=True)
class Curve:
    """One loss with its settings.

    Attributes:
        loss: its name.
        settings: names and values of the hyperparameters that are not at their default, in the table's order.
    """

    loss: str
    settings: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def of(cls, loss: str, hyperparameters: Mapping[str, Value]) -> "Curve":
        """Return the curve of a loss with these hyperparameters, by name; the rest keep their default.

        Raises:
            InputError: there is no such loss or hyperparameter, or the value is not one of it.
        """
        rows = {row.name: row for row in _table(loss)}
        for name in hyperparameters:
            if name not in rows:
                raise InputError(f"Loss '{loss}' has no hyperparameter '{name}'; it has {', '.join(rows) or 'none'}.")
        values = {row.name: row.checked(hyperparameters.get(row.name, row.default), loss) for row in rows.values()}
        return cls(loss, tuple((name, value) for name, value in values.items() if value != rows[name].default))

    @classmethod
    def parse(cls, text: str) -> "Curve":
        """Return the curve that a text spells.

        Raises:
            InputError: it spells none.

        Example:
            >>> Curve.parse("asl clip=0 detach_weight=false gamma_neg=4")
            Curve(loss='asl', settings=(('clip', 0.0), ('detach_weight', False)))
        """
        loss, *rest = text.split() or [""]
        return cls.of(loss, {name: plain(value) for name, value in pairs(rest)})

    @property
    def text(self) -> str:
        """What `parse` reads.

        Example:
            >>> Curve.of("splc", {"tau": 0.65, "margin": 1.0}).text
            'splc tau=0.65'
        """
        return " ".join([self.loss, *(f"{name}={spelled(value)}" for name, value in self.settings)])

    def values(self) -> dict[str, Value]:
        """Return every hyperparameter by name, those at their default too."""
        return {**{row.name: row.default for row in _table(self.loss)}, **dict(self.settings)}


@dataclass(frozen=True)
class View:
    """What the curves are drawn over.

    Attributes:
        axis: "pred_prob" or "logit".
        epoch: 0-based.
        batches: for losses that are drawn in a batch, by name; the rest take their own.
        same_height: whether each curve is divided by its steepest gradient, and its loss begins at 0: shapes compare
            where scales do not.
    """

    axis: str = "pred_prob"
    epoch: int = 1
    batches: Mapping[str, CurveBatch] = field(default_factory=dict)
    same_height: bool = False

    def points(self, curve: Curve, target: int, epoch: int | None = None) -> pd.DataFrame:
        """Return pred_prob, logit, loss and gradient of a curve; shared, not to be changed.

        Args:
            curve: what to draw.
            target: 1, 0 or -1.
            epoch: another than that of the view.
        """
        points = self._points(curve, target, self.epoch if epoch is None else epoch)
        if not self.same_height:
            return points
        lowest = min(self._points(curve, other, self.epoch)["loss"].min() for other in TARGETS)
        scale = self.scale(curve)
        return points.assign(loss=(points["loss"] - lowest) / scale, gradient=points["gradient"] / scale)

    def scale(self, curve: Curve) -> float:
        """Return what a curve is divided by: its steepest gradient over all targets, or 1."""
        steepest = max(self._points(curve, target, self.epoch)["gradient"].abs().max() for target in TARGETS)
        return float(steepest) if self.same_height and steepest > 0 else 1.0

    def differs(self, curve: Curve, epoch: int) -> bool:
        """Return whether a loss has a schedule by which the curve is another at that epoch."""
        return any(
            not self._points(curve, target, epoch).equals(self._points(curve, target, self.epoch)) for target in TARGETS
        )

    def varies(self, curve: Curve, epochs: Sequence[int]) -> bool:
        """Return whether a curve is not the same in all these epochs, as seen at a few points."""
        batch = self.batches.get(curve.loss)
        probes = [[_points(curve, target, epoch, _PROBE, batch) for target in TARGETS] for epoch in epochs]
        return any(not a.equals(b) for probe in probes for a, b in zip(probe, probes[0], strict=True))

    def _points(self, curve: Curve, target: int, epoch: int) -> pd.DataFrame:
        return _points(curve, target, epoch, self.axis, self.batches.get(curve.loss))


def table(curves: Sequence[Curve], view: View, *, before: bool = True) -> pd.DataFrame:
    """Return all that is drawn of the curves, a row for each point, with the settings in columns of their own.

    Args:
        curves: what is drawn.
        view: over what.
        before: whether epoch 0 is drawn, too, where it differs.

    Returns:
        Columns loss, one for each hyperparameter, epoch, target, pred_prob, logit, loss_value, gradient; for losses
        drawn in a batch of the reader's batch_others, batch_low, batch_high, batch_present; with the same height
        divided_by. Empty where a loss has no such setting.
    """
    frames = []
    for curve in curves:
        batch = view.batches.get(curve.loss)
        more = {} if batch is None else {f"batch_{name}": getattr(batch, name) for name in CurveBatch.__slots__}
        if view.same_height:
            more["divided_by"] = view.scale(curve)
        epochs = [0, view.epoch] if before and view.differs(curve, 0) else [view.epoch]
        for epoch in epochs:
            for target in TARGETS:
                points = view.points(curve, target, epoch).rename(columns={"loss": "loss_value"})
                settings = {"loss": curve.loss, **curve.values(), **more, "epoch": epoch, "target": target}
                frames.append(points.assign(**settings))
    if not frames:
        return pd.DataFrame()
    rows = pd.concat(frames, ignore_index=True)
    drawn = ["epoch", "target", "pred_prob", "logit", "loss_value", "gradient"]
    return rows[["loss", *[name for name in rows if name not in ("loss", *drawn)], *drawn]]


@lru_cache(maxsize=4096)
def _points(curve: Curve, target: int, epoch: int, axis: str, batch: CurveBatch | None) -> pd.DataFrame:
    grid, logits = _GRIDS[axis], axis == "logit"
    return loss_curve(
        curve.loss,
        target,
        pred_probs=None if logits else grid,
        logits=grid if logits else None,
        epoch=epoch,
        batch=batch,
        **dict(curve.settings),
    )


def _table(loss: str) -> tuple[Hyperparameter, ...]:
    from labelmend_core.losses import LOSSES

    if loss not in LOSSES:
        raise InputError(f"Expected a loss among {', '.join(sorted(LOSSES))}, got {loss!r}.")
    return LOSSES[loss].hyperparameters


def spelled(value: Value) -> str:
    """Return a value as `Curve.parse` and the address have it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)
