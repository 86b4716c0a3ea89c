"""Receiver operating characteristic: what a threshold on a score finds, and at what
price."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mpat.configurable import numbers
from keras_mpat.evaluation.embeddings import as_array


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Points of a curve, from (0, 0), where nothing is found, to (1, 1).

    Attributes:
        thresholds: (P,), falling; examples of a score >= it are found. The first is
            infinity.
        false_positive_rate: (P,), share of the negatives that are found.
        true_positive_rate: (P,), share of the positives that are found.
    """

    thresholds: np.ndarray
    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray

    @property
    def auc(self) -> float:
        """Area under the curve: how likely a positive scores above a negative.

        Equal scores count half.
        """
        width = np.diff(self.false_positive_rate)
        height = (self.true_positive_rate[1:] + self.true_positive_rate[:-1]) / 2
        return float(np.sum(width * height))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; the first threshold is `None`."""
        return {
            "thresholds": [None, *self.thresholds[1:].tolist()],
            "false_positive_rate": self.false_positive_rate.tolist(),
            "true_positive_rate": self.true_positive_rate.tolist(),
        }


def roc_curve(scores, positives) -> RocCurve:
    """The curve with one point for each different score.

    Args:
        scores: (N,), finite; higher means positive.
        positives: bool (N,), or 0 and 1: at least one of each.

    Raises:
        ValueError: values of another kind or shape, or of one kind only.
    """
    scores = vector("scores", scores)
    positives = _flags(positives, len(scores))
    order = np.argsort(-scores, kind="stable")
    scores, positives = scores[order], positives[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # of each tie
    found = np.append(0, np.cumsum(positives)[last])
    false = np.append(0, np.cumsum(~positives)[last])
    thresholds = np.append(np.inf, scores[last])
    return RocCurve(thresholds, false / false[-1], found / found[-1])


def roc_auc(scores, positives) -> float:
    """Area under `roc_curve`; the same arguments and errors."""
    return roc_curve(scores, positives).auc


def threshold_at(confidence, fpr: float = 0.05) -> float:
    """The largest threshold below which at most a share of good examples falls.

    Args:
        confidence: (N,) of examples that should be accepted: clean, classified right.
        fpr: which share of them may be rejected, in (0, 1).

    Returns:
        The threshold: examples of a lower confidence are rejected. It is one of the
        values, so that of fewer than 1 / fpr examples none is.

    Raises:
        ValueError: no examples, values that are not finite, or another share.
    """
    if numbers(fpr).ndim or not 0 < numbers(fpr) < 1:
        raise ValueError(
            "`fpr` must lie in (0, 1) (a share of the good examples). Received: "
            f"fpr={fpr!r}. For 5 % pass fpr=0.05."
        )
    values = np.sort(vector("confidence", confidence))
    return float(values[int(fpr * len(values))])


def vector(name: str, values, count: int | None = None) -> np.ndarray:
    """Finite numbers (N,) as float64; raises unless the argument `name` holds them."""
    values = as_array(values)
    kind = values.dtype.kind in "fiu"
    if (
        not kind
        or values.ndim != 1
        or not len(values)
        or count not in (None, len(values))
    ):
        wanted = "(N,)" if count is None else f"({count},)"
        raise ValueError(
            f"`{name}` must hold one number for each example, of shape {wanted}. "
            f"Received: dtype {values.dtype}, shape {values.shape}. Pass an array with "
            "an entry for each."
        )
    if not np.all(np.isfinite(values)):
        raise ValueError(
            f"`{name}` must be finite. Received: NaN or infinity in "
            f"{np.sum(~np.isfinite(values))} of {len(values)} examples. Check the "
            "model that they come from."
        )
    return values.astype("float64")


def _flags(positives, count: int) -> np.ndarray:
    positives = as_array(positives)
    if positives.dtype.kind != "b":
        known = vector("positives", positives, count)
        if not np.all((known == 0) | (known == 1)):
            raise ValueError(
                "`positives` must be True and False, or 1 and 0. Received: values from "
                f"{known.min():g} to {known.max():g}. Pass predicted != y."
            )
        positives = known == 1
    if positives.shape != (count,) or np.all(positives) or not np.any(positives):
        raise ValueError(
            "`positives` must hold a flag for each score, some True and some False. "
            f"Received: shape {positives.shape}, {np.sum(positives)} True, for {count} "
            "scores. Evaluate more examples, or a stronger attack."
        )
    return positives
