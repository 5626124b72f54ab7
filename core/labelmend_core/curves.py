"""Loss and gradient of one cell as functions of its predicted probability, for every registered loss."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from labelmend_core.curve_batch import CurveBatch, DrawnInBatch
from labelmend_core.errors import InputError


def loss_curve(
    name: str,
    target: int,
    *,
    pred_probs: ArrayLike | None = None,
    logits: ArrayLike | None = None,
    epoch: int = 0,
    batch: CurveBatch | None = None,
    **hyperparameters: float | int | bool | str,
) -> pd.DataFrame:
    """Return loss and gradient at every point of the grid; a positive gradient pushes the probability down.

    The loss is that of one cell under reduction `"sum"`. Losses that couple the cells of a batch are drawn for
    one cell that varies in a fixed batch; `curve` of the loss says which (for `pu_mlc`: 64 images, six other
    present ones, logits from -6 to 2, or those of `batch`), and there the loss is that of the whole batch.

    Args:
        name: A key of `labelmend_core.losses.LOSSES`.
        target: 1 present, -1 absent, 0 unobserved.
        pred_probs: (G,) grid of probabilities, each above 0 and below 1; by default .005 to .995.
        logits: (G,) grid of logits instead.
        epoch: 0-based; matters to losses with a schedule, like `splc`.
        batch: The other cells, for a loss that is `DrawnInBatch`; the rest ignore it.
        hyperparameters: Of the loss, by the papers' names.

    Returns:
        A row for each point: `pred_prob`, `logit`, `loss`, `gradient` (dloss/dlogit), float64.

    Raises:
        InputError: An unknown loss or hyperparameter, a target that is none of the three, or a bad grid.

    Example:
        >>> loss_curve("bce", -1, pred_probs=[0.5]).round(3)
           pred_prob  logit   loss  gradient
        0        0.5    0.0  0.693       0.5
    """
    # Imported here so that whoever imports this module does not wait for torch.
    from labelmend_core.losses import build_loss

    loss = build_loss(name, reduction="sum", **hyperparameters)
    if target not in (-1, 0, 1):
        raise InputError(f"Expected target 1 (present), -1 (absent) or 0 (unobserved), got {target!r}.")
    if logits is None:
        logits = _logits(np.linspace(0.005, 0.995, 199) if pred_probs is None else pred_probs)
    elif pred_probs is not None:
        raise InputError("Expected a grid of pred_probs or of logits, got both.")
    grid = np.asarray(logits, dtype=np.float64)
    if grid.ndim != 1 or not np.isfinite(grid).all():
        raise InputError(f"Expected a grid of finite numbers of shape (G,), got {grid!r}.")
    values, gradient = (
        loss.curve(grid, target, epoch, batch) if isinstance(loss, DrawnInBatch) else loss.curve(grid, target, epoch)
    )
    return pd.DataFrame({"pred_prob": expit(grid), "logit": grid, "loss": values, "gradient": gradient})


def _logits(pred_probs: ArrayLike) -> NDArray[np.float64]:
    probabilities = np.asarray(pred_probs, dtype=np.float64)
    if not ((probabilities > 0.0) & (probabilities < 1.0)).all():
        raise InputError("Expected every pred_prob of the grid above 0 and below 1; use logits for the ends.")
    return np.asarray(logit(probabilities))
