"""Evaluation: what a classifier withstands, per example.

    result = evaluate_robustness("robust.keras", (x, y), attacks.PGD(Linf(0.3)))
    print(result.robust_accuracy, result.interval)

`robustness.py` runs attacks (`driver.py`: on one chunk of examples), `result.py` keeps
verdicts, `comparison.py` asks whether one method is better than another, `tables.py`
prints, `plots` draws (import it by name: it needs matplotlib). `certification` proves
what no attack can change. `embeddings.py` shows the latent space, `prototypes.py` what
the prototypes of a head stand for.
"""

from keras_mpat.evaluation.certification import (
    can_certify,
    certified,
    contradictions,
)
from keras_mpat.evaluation.comparison import Comparison, compare
from keras_mpat.evaluation.embeddings import embeddings
from keras_mpat.evaluation.modes import PrototypeModes
from keras_mpat.evaluation.prototypes import (
    nearest_images,
    prototype_modes,
    untrained_modes,
)
from keras_mpat.evaluation.result import Part, RobustnessResult, Stage, wilson_interval
from keras_mpat.evaluation.robustness import evaluate_robustness
from keras_mpat.evaluation.tables import prototype_table, robustness_table

__all__ = [
    "Comparison",
    "Part",
    "PrototypeModes",
    "RobustnessResult",
    "Stage",
    "can_certify",
    "certified",
    "compare",
    "contradictions",
    "embeddings",
    "evaluate_robustness",
    "nearest_images",
    "prototype_modes",
    "prototype_table",
    "robustness_table",
    "untrained_modes",
    "wilson_interval",
]
