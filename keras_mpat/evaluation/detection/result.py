"""`evaluate_detection`: how well a confidence tells errors from right answers.

    result = evaluate_detection((predicted, confidence), (predicted_adv, ...), y)
    print(result.auc, result.escaped)

As in TLA's Figure 5: all clean test images and all adversarial ones together, of which
those are positive that the classifier gets wrong.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from keras_mpat.configurable import numbers
from keras_mpat.evaluation.detection.roc import (
    RocCurve,
    roc_curve,
    threshold_at,
    vector,
)


class Judged(NamedTuple):
    """What was said of N images.

    Attributes:
        predicted: int (N,), the class that the classifier names.
        confidence: (N,), the `score` of a `Detector`, or any other: high is trusted.
    """

    predicted: Any
    confidence: Any


@dataclass(frozen=True, eq=False)
class DetectionResult:
    """How well errors are found. A share is between 0 and 1.

    Attributes:
        curve: `RocCurve` of -confidence; positive is what the classifier gets wrong.
        n: images, clean and adversarial ones together.
        clean_errors: share of the clean images that are classified wrong.
        adversarial_errors: share of the adversarial ones.
        threshold: confidence below which an image is rejected.
        fpr: share of the clean images classified right that are rejected there.
        tpr: share of all errors that are rejected there.
        escaped: share of the adversarial images that are classified wrong and accepted:
            what the attack achieves in spite of the detector.
    """

    curve: RocCurve
    n: int
    clean_errors: float
    adversarial_errors: float
    threshold: float
    fpr: float
    tpr: float
    escaped: float

    @property
    def auc(self) -> float:
        """Area under the curve; 0.5 is that of guessing."""
        return self.curve.auc

    def to_dict(self) -> dict[str, Any]:
        """All but the curve, as JSON values."""
        return {
            "auc": self.auc,
            "n": self.n,
            "clean_errors": self.clean_errors,
            "adversarial_errors": self.adversarial_errors,
            "threshold": self.threshold,
            "fpr": self.fpr,
            "tpr": self.tpr,
            "escaped": self.escaped,
        }


def evaluate_detection(
    clean, adversarial, y, *, fpr: float = 0.05, threshold: float | None = None
) -> DetectionResult:
    """Takes clean images and their adversarial versions together.

    Args:
        clean: `Judged` of N images, or a pair (predicted, confidence).
        adversarial: of the same images under attack, in the same order.
        y: their classes (N,).
        fpr: share of clean images classified right that may be rejected, in (0, 1).
        threshold: where to reject, instead of what `fpr` gives on these very images;
            that of `Detector.calibrate` on others is the honest one.

    Raises:
        ValueError: arrays of different lengths or with NaN, labels that are no classes,
            a share outside (0, 1), or no errors or nothing but errors.
    """
    y = _classes("y", y)
    clean, adversarial = (
        _judged("clean", clean, y),
        _judged("adversarial", adversarial, y),
    )
    right = clean.predicted == y
    wrong = np.append(~right, adversarial.predicted != y)
    confidence = np.append(clean.confidence, adversarial.confidence)
    if not np.any(right) or not np.any(wrong):
        raise ValueError(
            "`clean` must hold right answers, and `adversarial` errors, to tell them "
            f"apart. Received: {np.sum(right)} right of {len(y)} clean ones, "
            f"{np.sum(wrong)} errors of all. Check the order of the labels, or attack "
            "at a larger epsilon."
        )
    chosen = threshold_at(clean.confidence[right], fpr)
    chosen = chosen if threshold is None else _number("threshold", threshold)
    rejected = confidence < chosen
    under_attack = wrong[len(y) :]
    return DetectionResult(
        curve=roc_curve(-confidence, wrong),
        n=len(wrong),
        clean_errors=float(np.mean(~right)),
        adversarial_errors=float(np.mean(under_attack)),
        threshold=chosen,
        fpr=float(np.mean(rejected[: len(y)][right])),
        tpr=float(np.mean(rejected[wrong])),
        escaped=float(np.mean(under_attack & ~rejected[len(y) :])),
    )


def worst_judged(first, second, y) -> tuple[Judged, np.ndarray]:
    """Of two attacks on the same images, the worse one for each image.

    An error beats a right answer; of two errors the one of higher confidence counts. At
    each threshold, an image then escapes if it did so in either: `escaped` is never
    lower than that of one attack. The AUC may be higher, where more images are wrong.

    Args:
        first, second: `Judged` of N images, or pairs (predicted, confidence).
        y: their classes (N,).

    Returns:
        (`Judged`, bool (N,): where `second` was taken); where both are right, `first`.

    Raises:
        ValueError: as `evaluate_detection`.
    """
    y = _classes("y", y)
    first, second = _judged("first", first, y), _judged("second", second, y)
    wrong = first.predicted != y
    higher = second.confidence > first.confidence
    taken = (second.predicted != y) & (~wrong | higher)
    pairs = zip(first, second, strict=True)
    return Judged(*(np.where(taken, new, old) for old, new in pairs)), taken


def _judged(name: str, judged, y: np.ndarray) -> Judged:
    if not isinstance(judged, (tuple, list)) or len(judged) != 2:
        raise ValueError(
            f"`{name}` must be (predicted, confidence), two arrays (N,). Received: a "
            f"{type(judged).__name__}. Pass Judged(predicted, confidence)."
        )
    predicted = _classes(f"{name}.predicted", judged[0], len(y))
    return Judged(predicted, vector(f"{name}.confidence", judged[1], len(y)))


def _classes(name: str, values, count: int | None = None) -> np.ndarray:
    found = vector(name, values, count)
    if np.any((found < 0) | (found != np.floor(found))):
        raise ValueError(
            f"`{name}` must hold classes, integers >= 0. Received: values from "
            f"{found.min():g} to {found.max():g}. Of logits pass np.argmax(..., -1)."
        )
    return found.astype("int64")


def _number(name: str, value) -> float:
    if numbers(value).ndim or not np.isfinite(numbers(value)):
        raise ValueError(
            f"`{name}` must be a finite number (a log density). Received: "
            f"{name}={value!r}. Pass detector.threshold, or None."
        )
    return float(value)
