"""How near adversarial examples come to a class, measured by the width of the class.

For class k, r_k is the mean distance of adversarial examples to its clean examples,
divided by the mean distance of these among themselves: below 1, an attack moves
examples further into the class than its own ones lie.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mpat.configurable import check_switch
from keras_mpat.evaluation.latent.inputs import (
    checked_classes,
    checked_points,
    json_number,
)
from keras_mpat.layers.prototypes import directions

_BLOCK = 1024  # rows: 8 MB of cosines
_FLAT = 1e-12  # a mean distance that is nothing but rounding


@dataclass(frozen=True, eq=False)
class ClassRatios:
    """Mean distances of each class, and their ratio.

    Attributes:
        within: (C,), mean distance between two clean examples of the class.
        to_class: (C,), mean distance of its adversarial examples to its clean ones.
        counts: int (C,), its adversarial examples.
    """

    within: np.ndarray
    to_class: np.ndarray
    counts: np.ndarray

    @property
    def per_class(self) -> np.ndarray:
        """(C,), r_k; NaN where there is none: see `skipped`."""
        wide = np.where(self.within > _FLAT, self.within, np.nan)
        return self.to_class / wide

    @property
    def skipped(self) -> int:
        """Classes without adversarial examples, or two clean ones that differ."""
        return int(np.sum(np.isnan(self.per_class)))

    @property
    def ratio(self) -> float:
        """r, the mean of r_k over the other classes; NaN without one."""
        known = self.per_class[np.isfinite(self.per_class)]
        return float(np.mean(known)) if len(known) else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; `None` where there is no number."""
        return {
            "ratio": json_number(self.ratio),
            "skipped": self.skipped,
            "per_class": [json_number(value) for value in self.per_class],
            "within": [json_number(value) for value in self.within],
            "to_class": [json_number(value) for value in self.to_class],
            "counts": self.counts.tolist(),
        }


@dataclass(frozen=True, eq=False)
class AdversarialRatio:
    """Misclassified adversarial examples against their false and their true class.

    Attributes:
        false_class: against the clean examples of the class they are taken for: r of
            the paper, the higher the better.
        true_class: the same examples against the clean ones of their own class: the
            lower the better.
    """

    false_class: ClassRatios
    true_class: ClassRatios

    def to_dict(self) -> dict[str, Any]:
        """Both as JSON values."""
        return {
            "false_class": self.false_class.to_dict(),
            "true_class": self.true_class.to_dict(),
        }


def adversarial_ratio(
    clean,
    y,
    adversarial,
    predicted,
    *,
    adversarial_y=None,
    num_classes: int | None = None,
    absolute: bool = True,
) -> AdversarialRatio:
    """The ratio r of TLA, and its twin for the true class.

    The distance is D = 1 - |cos|, as in the paper; 1 where an embedding is zero.

    Args:
        clean: embeddings (N, D) of clean test examples.
        y: their classes, int (N,).
        adversarial: embeddings (M, D) of adversarial examples; those whose prediction
            is right are left out.
        predicted: int (M,), what is predicted there.
        adversarial_y: their true classes, int (M,). Default None: `y`, of the same
            examples in the same order.
        num_classes: C. Default None: one more than the largest class.
        absolute: whether D is 1 - |cos|; otherwise 1 - cos. Embeddings after a ReLU
            give the same.

    Raises:
        ValueError: embeddings or classes that do not fit.

    References:
        Mao et al., "Metric Learning for Adversarial Robustness", section 5.2, Table 2.
    """
    check_switch("absolute", absolute)
    clean = checked_points("clean", clean)
    adversarial = checked_points("adversarial", adversarial, like=clean)
    y = checked_classes("y", y, len(clean), num_classes)
    if adversarial_y is None and len(adversarial) != len(clean):
        raise ValueError(
            "`adversarial_y` must be given for adversarial examples of other images. "
            f"Received: adversarial_y=None, {len(clean)} clean and {len(adversarial)} "
            "adversarial embeddings. Pass their true classes."
        )
    own = y if adversarial_y is None else adversarial_y
    own = checked_classes("adversarial_y", own, len(adversarial), num_classes)
    other = checked_classes("predicted", predicted, len(adversarial), num_classes)
    if num_classes is None:
        num_classes = int(max(y.max(), own.max(), other.max())) + 1
    wrong = own != other
    points, own, other = adversarial[wrong], own[wrong], other[wrong]
    groups = [clean[y == k] for k in range(num_classes)]
    within = np.array([_within(group, absolute) for group in groups])

    def against(classes):
        of_class = [points[classes == k] for k in range(num_classes)]
        pairs = zip(of_class, groups, strict=True)
        distances = np.array([_between(*pair, absolute) for pair in pairs])
        return ClassRatios(within, distances, np.array([len(p) for p in of_class]))

    return AdversarialRatio(false_class=against(other), true_class=against(own))


def _between(first, second, absolute: bool) -> float:
    """Mean distance between rows (M, D) and rows (N, D); NaN without a pair."""
    if not len(first) or not len(second):
        return float("nan")
    return 1.0 - _cosines(first, second, absolute) / (len(first) * len(second))


def _within(points, absolute: bool) -> float:
    """Mean distance between two of the rows (N, D); NaN of fewer than two."""
    size = len(points)
    if size < 2:
        return float("nan")
    lengths = sum(np.sum(directions(block) ** 2) for block in _blocks(points))
    pairs = _cosines(points, points, absolute) - lengths  # without those with itself
    return 1.0 - pairs / (size * (size - 1))


def _cosines(first, second, absolute: bool) -> float:
    """Sum of the (absolute) cosines of all pairs."""
    if not absolute or (np.min(first) >= 0 and np.min(second) >= 0):
        # All cosines count as they are: their sum is a product of two sums.
        sums = [
            sum(directions(b).sum(axis=0) for b in _blocks(p)) for p in (first, second)
        ]
        return float(sums[0] @ sums[1])
    return float(
        sum(
            np.sum(np.abs(rows @ directions(columns).T))
            for rows in map(directions, _blocks(first))
            for columns in _blocks(second)
        )
    )


def _blocks(points):
    return (points[start : start + _BLOCK] for start in range(0, len(points), _BLOCK))
