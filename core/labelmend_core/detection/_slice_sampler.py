"""Draws from a posterior whose prior is Gaussian, without anything to tune."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def elliptical_slices(
    log_likelihood: Callable[[FloatArray], FloatArray],
    n_parameters: int,
    rng: np.random.Generator,
    *,
    chains: int = 25,
    left_out: int = 100,
    kept: int = 16,
    thin: int = 3,
) -> FloatArray:
    """Return draws, (chains * kept, n_parameters), from a posterior with a standard normal prior.

    Args:
        log_likelihood: of vectors (M, n_parameters), returns (M,); finite wherever the prior is.
        n_parameters: length of a vector.
        rng: where chance comes from.
        chains: how many go on side by side, each from a place of its own.
        left_out: steps of each before the first that counts.
        kept: draws of each.
        thin: steps from one kept draw to the next.

    Source: Murray, Adams & MacKay 2010, arXiv 1001.0175, figure 2; several chains in step, so that numpy has arrays to
    work on.

    Example:
        >>> draws = elliptical_slices(lambda z: -2 * (z[:, 0] - 1) ** 2, 1, np.random.default_rng(0))
        >>> bool(0.7 < draws.mean() < 0.9)
        True
    """
    current = 0.5 * rng.standard_normal((chains, n_parameters))
    level = log_likelihood(current)
    draws = []
    for step in range(left_out + kept * thin):
        current, level = _step(current, level, log_likelihood, rng)
        if step >= left_out and (step - left_out) % thin == 0:
            draws.append(current)
    return np.concatenate(draws)


def _step(
    current: FloatArray,
    level: FloatArray,
    log_likelihood: Callable[[FloatArray], FloatArray],
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Move every chain once along an ellipse through its place and a draw from the prior."""
    other = rng.standard_normal(current.shape)
    least = level + np.log(rng.uniform(np.finfo(float).tiny, 1, len(level)))
    angle = rng.uniform(0, 2 * np.pi, len(level))
    low, high = angle - 2 * np.pi, angle.copy()
    moved, reached = current.copy(), level.copy()
    going = np.arange(len(level))
    while going.size:
        turned = angle[going, None]
        proposed = current[going] * np.cos(turned) + other[going] * np.sin(turned)
        found = log_likelihood(proposed)
        good = found >= least[going]
        moved[going[good]], reached[going[good]] = proposed[good], found[good]
        going = going[~good]
        behind = angle[going] < 0
        low[going[behind]], high[going[~behind]] = angle[going[behind]], angle[going[~behind]]
        angle[going] = rng.uniform(low[going], high[going])
    return moved, reached
