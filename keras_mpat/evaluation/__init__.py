"""Evaluation: what a classifier withstands, per example.

    result = evaluate_robustness("robust.keras", (x, y), attacks.PGD(Linf(0.3)))
    print(result.robust_accuracy, result.interval)

`robustness.py` runs attacks, `result.py` keeps verdicts, `tables.py` prints them,
`plots.py` draws (import it by name: it needs matplotlib).
"""

from keras_mpat.evaluation.result import RobustnessResult, Stage, wilson_interval
from keras_mpat.evaluation.robustness import evaluate_robustness
from keras_mpat.evaluation.tables import robustness_table

__all__ = [
    "RobustnessResult",
    "Stage",
    "evaluate_robustness",
    "robustness_table",
    "wilson_interval",
]
