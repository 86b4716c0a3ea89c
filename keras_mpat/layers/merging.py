"""Merging of prototypes that lie close together: greedy agglomeration, in NumPy.

    merged = merge_prototypes(prototypes, active, counts, threshold=0.2)
    head.prototypes.assign(merged.prototypes)

`callbacks.PrototypeMerging` does it during training. Shapes never change: the mask
`active` says which prototypes are left.

References:
    Khan et al. (MPAT), Sensors 23(13):6173, section 3.2, says that the nearest
    prototypes are fused by L2 distance; threshold, time and weights are choices here.
"""

from typing import NamedTuple

import numpy as np

from keras_mpat.layers.prototypes import directions


class Merge(NamedTuple):
    """One merging.

    Attributes:
        label: class j of both prototypes.
        kept: slot of the survivor, the lower one.
        absorbed: slot that is inactive from now on.
        distance: chord distance of the two, in [0, 2).
    """

    label: int
    kept: int
    absorbed: int
    distance: float


class Merged(NamedTuple):
    """Prototypes (C, K, D), mask and counts (C, K) afterwards, and what was merged."""

    prototypes: np.ndarray
    active: np.ndarray
    counts: np.ndarray
    merges: list[Merge]


def chord_distances(prototypes, active) -> np.ndarray:
    """(C, K, K): sqrt(2 - 2 cos) of the pairs s < t of active prototypes, else inf."""
    units = directions(prototypes)
    cosines = np.einsum("ckd,cld->ckl", units, units)
    distances = np.sqrt(np.maximum(2.0 - 2.0 * cosines, 0.0))
    active = np.asarray(active) > 0
    pairs = np.triu(active[:, :, None] & active[:, None, :], k=1)
    return np.where(pairs, distances, np.inf)


def merge_prototypes(
    prototypes,
    active,
    counts,
    *,
    threshold: float = 0.2,
    min_prototypes: int = 1,
    max_merges: int | None = None,
) -> Merged:
    """Merges the closest pair of a class until none is closer than `threshold`.

    The survivor takes the direction n_s w_s + n_t w_t of the two directions w and
    counts n, the mean of their lengths, and n_s + n_t.

    Args:
        prototypes: (C, K, D), of any length.
        active: (C, K), 1 for prototypes in use.
        counts: (C, K), how many of the first prototypes each stands for.
        threshold: chord distance on the unit sphere, in [0, 2].
        min_prototypes: of a class, below which nothing is merged.
        max_merges: of one call, the closest pairs of all classes first; None: no limit.

    Returns:
        `Merged`: new arrays of the same shapes; the arguments are not changed.
    """
    prototypes, active, counts = (
        np.array(given, "float64") for given in (prototypes, active, counts)
    )
    distances = chord_distances(prototypes, active)
    merges: list[Merge] = []
    while max_merges is None or len(merges) < max_merges:
        distances[active.sum(-1) <= min_prototypes] = np.inf
        place = np.unravel_index(np.argmin(distances), distances.shape)
        label, kept, absorbed = map(int, place)
        if not distances[place] < threshold:
            break
        merges.append(Merge(label, kept, absorbed, float(distances[place])))
        pair = [kept, absorbed]
        prototypes[label, kept] = _fused(prototypes[label, pair], counts[label, pair])
        counts[label, pair] = counts[label, pair].sum(), 0.0
        active[label, absorbed] = 0.0
        one = slice(label, label + 1)
        distances[one] = chord_distances(prototypes[one], active[one])
    return Merged(prototypes, active, counts, merges)


def _fused(pair: np.ndarray, counts: np.ndarray) -> np.ndarray:
    direction = directions(counts @ directions(pair))
    return direction * np.linalg.norm(pair, axis=-1).mean()
