"""Evaluation: what a classifier withstands, per example.

    result = evaluate_robustness("robust.keras", (x, y), attacks.PGD(Linf(0.3)))
    print(result.robust_accuracy, result.interval)

`robustness.py` runs attacks (`driver.py`: on one chunk of examples), `result.py` keeps
verdicts and `evidence.py` what proves them. `audit.py` says how far to trust them
(`checks/`: one question each), `comparison.py` asks whether one method is better than
another, `verification.py` whether another implementation agrees; `certification` proves
what no attack can change. `tables.py` prints, `card.py` writes model cards, `plots`
draws (import it by name: it needs matplotlib). `embeddings.py` shows the latent space,
`latent` what attacks do in it, `detection` how well errors can be seen from it.
`prototypes.py` tells what the prototypes of a head stand for, `prototype_attacks.py`
builds the attacks that know them. `curves.py` and `loss_surfaces.py` measure what
figures show, and `reporting` makes one page of it all.
"""

from keras_mpat.evaluation.attacked import attacked
from keras_mpat.evaluation.audit import Audit, audit
from keras_mpat.evaluation.card import ModelCard, model_card
from keras_mpat.evaluation.certification import (
    can_certify,
    certified,
    contradictions,
)
from keras_mpat.evaluation.comparison import Comparison, compare
from keras_mpat.evaluation.curves import AccuracyCurve, accuracy_curve, write_curve
from keras_mpat.evaluation.detection import (
    DetectionResult,
    Detector,
    DetectorAttack,
    Judged,
    RocCurve,
    evaluate_detection,
    roc_auc,
    roc_curve,
    threshold_at,
    worst_judged,
)
from keras_mpat.evaluation.embeddings import embeddings
from keras_mpat.evaluation.evidence import Evidence
from keras_mpat.evaluation.latent import (
    AdversarialRatio,
    ClassRatios,
    GroupAccuracies,
    LatentSet,
    Retrieval,
    accuracy_table,
    adversarial_ratio,
    class_accuracies,
    confusion,
    group_accuracies,
    knn_accuracy,
    knn_predict,
    latent_set,
    mode_accuracies,
    nearest_rows,
    project,
    retrieve,
)
from keras_mpat.evaluation.loss_surfaces import (
    LossSurface,
    loss_surface,
    write_surface,
)
from keras_mpat.evaluation.modes import PrototypeModes
from keras_mpat.evaluation.prototype_attacks import prototype_attacks
from keras_mpat.evaluation.prototypes import (
    nearest_images,
    prototype_modes,
    prototype_points,
    untrained_modes,
)
from keras_mpat.evaluation.reporting import report
from keras_mpat.evaluation.result import (
    Part,
    RobustnessResult,
    Stage,
    seed_interval,
    wilson_interval,
)
from keras_mpat.evaluation.robustness import evaluate_robustness
from keras_mpat.evaluation.tables import prototype_table, robustness_table
from keras_mpat.evaluation.verification import Verification

__all__ = [
    "AccuracyCurve",
    "AdversarialRatio",
    "Audit",
    "ClassRatios",
    "Comparison",
    "DetectionResult",
    "Detector",
    "DetectorAttack",
    "Evidence",
    "GroupAccuracies",
    "Judged",
    "LatentSet",
    "LossSurface",
    "ModelCard",
    "Part",
    "PrototypeModes",
    "Retrieval",
    "RobustnessResult",
    "RocCurve",
    "Stage",
    "Verification",
    "accuracy_curve",
    "accuracy_table",
    "adversarial_ratio",
    "attacked",
    "audit",
    "can_certify",
    "certified",
    "class_accuracies",
    "compare",
    "confusion",
    "contradictions",
    "embeddings",
    "evaluate_detection",
    "evaluate_robustness",
    "group_accuracies",
    "knn_accuracy",
    "knn_predict",
    "latent_set",
    "loss_surface",
    "mode_accuracies",
    "model_card",
    "nearest_images",
    "nearest_rows",
    "project",
    "prototype_attacks",
    "prototype_modes",
    "prototype_points",
    "prototype_table",
    "report",
    "retrieve",
    "robustness_table",
    "roc_auc",
    "roc_curve",
    "seed_interval",
    "threshold_at",
    "untrained_modes",
    "wilson_interval",
    "worst_judged",
    "write_curve",
    "write_surface",
]
