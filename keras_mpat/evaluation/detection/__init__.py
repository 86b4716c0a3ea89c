"""Detection: which inputs a classifier gets wrong, seen from its latent space.

    detector = Detector().fit(embeddings(model, x_train), y_train)
    result = evaluate_detection((predicted, confidence), (predicted_adv, ...), y)

In reading order: `gaussians.py` (one density per class), `detector.py` (their largest
one as confidence), `roc.py` (curves), `result.py` (clean and adversarial images
together), `attack.py` (an adversary that knows the detector).
"""

from keras_mpat.evaluation.detection.attack import DetectorAttack
from keras_mpat.evaluation.detection.detector import Detector
from keras_mpat.evaluation.detection.result import (
    DetectionResult,
    Judged,
    evaluate_detection,
    worst_judged,
)
from keras_mpat.evaluation.detection.roc import (
    RocCurve,
    roc_auc,
    roc_curve,
    threshold_at,
)

__all__ = [
    "DetectionResult",
    "Detector",
    "DetectorAttack",
    "Judged",
    "RocCurve",
    "evaluate_detection",
    "roc_auc",
    "roc_curve",
    "threshold_at",
    "worst_judged",
]
