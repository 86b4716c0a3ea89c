"""One Gaussian per class: fitted in float64, evaluated in NumPy or in a graph.

Shapes: N examples, C classes, D features. A covariance is kept as its whitener, the
inverse of its Cholesky factor: Σ = L Lᵀ, so that (h - μ)ᵀ Σ⁻¹ (h - μ) = |L⁻¹ (h - μ)|².
"""

from typing import NamedTuple

import numpy as np
from keras import ops

COVARIANCES = ("full", "tied", "diagonal")
_ROWS = 4096  # examples in float64 at a time
_SINGULAR = 1e-12  # of the largest variance


class Gaussians(NamedTuple):
    """Densities of C classes.

    Attributes:
        means: float64 (C, D).
        whiteners: float64 (C, D, D), lower triangular; (1, D, D) where all classes
            share it; (C, D) where they are diagonal.
        offsets: float64 (C,), the logarithm of the density at its mean.
    """

    means: np.ndarray
    whiteners: np.ndarray
    offsets: np.ndarray


def fit(latent, y, covariance: str, ridge: float) -> Gaussians:
    """The Gaussians of largest likelihood, with a ridge on their covariances.

    Σ + ridge · tr(Σ) / D · I is invertible with fewer examples than features, too.

    Args:
        latent: (N, D), finite.
        y: int (N,), classes 0 … C - 1, two examples each at least.
        covariance: of `COVARIANCES`; "tied" is the mean over all examples.
        ridge: >= 0.

    Raises:
        ValueError: a covariance without an inverse.
    """
    rows = [np.flatnonzero(y == c) for c in range(int(y.max()) + 1)]
    means = np.stack([np.mean(latent[own], axis=0, dtype="float64") for own in rows])
    diagonal, tied = covariance == "diagonal", covariance == "tied"
    scatters = np.zeros((1 if tied else len(rows), *means.shape[1:] * (2 - diagonal)))
    counts = np.zeros(len(scatters))
    for c, own in enumerate(rows):
        place = 0 if tied else c
        counts[place] += len(own)
        for centered in _blocks(latent, own, means[c]):
            scatters[place] += _scatter(centered, diagonal)
    pairs = enumerate(zip(scatters, counts, strict=True))
    parts = [_whitener(s / n, ridge, _name(c, tied)) for c, (s, n) in pairs]
    whiteners, logs = map(np.stack, zip(*parts, strict=True))
    offsets = np.broadcast_to(logs, (len(means),)).copy()
    return Gaussians(means, whiteners, offsets)


def _blocks(latent, rows: np.ndarray, mean):
    for first in range(0, len(rows), _ROWS):
        yield latent[rows[first : first + _ROWS]].astype("float64") - mean


def _scatter(centered: np.ndarray, diagonal: bool) -> np.ndarray:
    """Sum of h hᵀ (D, D), or its diagonal (D,)."""
    return np.sum(centered**2, axis=0) if diagonal else centered.T @ centered


def _name(number: int, tied: bool) -> str:
    return "all classes together" if tied else f"class {number}"


def _whitener(covariance: np.ndarray, ridge: float, whose: str):
    """(whitener, log density at the mean) of a covariance (D, D) or (D,)."""
    size, diagonal = len(covariance), covariance.ndim == 1
    variances = covariance if diagonal else np.diagonal(covariance)
    if not np.mean(variances) > 0:
        raise ValueError(
            "`embeddings` must differ within a class. Received: equal ones in "
            f"{whose}. Check the model, whose last features may be dead."
        )
    added = ridge * np.mean(variances)
    if diagonal:
        factor = np.sqrt(covariance + added)
    else:
        factor = _cholesky(covariance + added * np.eye(size))
    pivots = factor if diagonal or factor is None else np.diagonal(factor)
    if pivots is None or np.min(pivots) ** 2 <= _SINGULAR * np.max(variances):
        raise ValueError(
            "`ridge` must be large enough for a covariance with an inverse. Received: "
            f"ridge={ridge!r}, which leaves that of {whose} singular. Pass ridge=1e-3."
        )
    log = -0.5 * size * np.log(2 * np.pi) - np.sum(np.log(pivots))
    return (1 / factor if diagonal else np.linalg.solve(factor, np.eye(size))), log


def _cholesky(matrix: np.ndarray) -> np.ndarray | None:
    try:
        return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None


def log_densities(found: Gaussians, latent: np.ndarray) -> np.ndarray:
    """log N(h; μ_c, Σ_c) of each example and class, float64 (N, C)."""
    values = np.empty((len(latent), len(found.means)))
    every = np.arange(len(latent))
    for c, mean in enumerate(found.means):
        whitener = found.whiteners[min(c, len(found.whiteners) - 1)]
        for number, centered in enumerate(_blocks(latent, every, mean)):
            white = centered * whitener if whitener.ndim == 1 else centered @ whitener.T
            first = number * _ROWS
            squares = np.sum(white**2, axis=1)
            values[first : first + len(white), c] = found.offsets[c] - 0.5 * squares
    return values


def graph_log_densities(found: Gaussians, latent):
    """`log_densities` of a tensor (B, D): float32 (B, C), with a gradient."""
    means, whiteners, offsets = (part.astype("float32") for part in found)
    centered = ops.cast(latent, "float32")[None] - means[:, None]  # (C, B, D)
    if whiteners.ndim == 2:
        white = centered * whiteners[:, None]
    else:
        white = ops.matmul(centered, np.swapaxes(whiteners, 1, 2))
    squares = ops.sum(ops.square(white), axis=-1)
    return ops.transpose(offsets[:, None] - 0.5 * squares)
