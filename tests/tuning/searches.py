"""Searches made by hand."""

from pathlib import Path

import numpy as np

from keras_mpat.tuning.results import SearchResult, TrialResult

OBJECTIVE = "val_robust_accuracy"


def trial(number: int, score: float | None, **given) -> TrialResult:
    """A completed trial of one seed, or of those in `scores`."""
    scores = given.pop("scores", () if score is None else (score,))
    status = "failed" if score is None else "completed"
    return TrialResult(
        f"{number:02d}",
        given.pop("values", {"head_weight": 0.5}),
        given.pop("status", status),
        score=score,
        scores=scores,
        **given,
    )


def search(folder: Path, trials=(), **given) -> SearchResult:
    """A search over λ1, largest accuracy best, on 200 validation images."""
    options = {"tuned": ("head_weight",), "examples": 200, "majority": 0.5} | given
    objective = options.pop("objective", OBJECTIVE)
    direction = options.pop("direction", "max")
    return SearchResult(folder, objective, direction, tuple(trials), **options)


def planted(folder: Path, count: int = 16, **given) -> SearchResult:
    """A search whose scores depend on λ1 alone, the larger the better."""
    rng = np.random.default_rng(0)
    trials = []
    for number in range(count):
        values = {
            "learning_rate": float(10 ** rng.uniform(-3, -1)),
            "head_weight": float(rng.uniform(0.1, 2.0)),
            "optimizer": ["sgd", "adam"][int(rng.integers(2))],
            "epsilon": 0.1,
        }
        score = 0.5 + 0.2 * values["head_weight"]
        history = ({OBJECTIVE: [0.5, score]},)
        trials.append(trial(number, score, values=values, history=history, epochs=2))
    tuned = ("learning_rate", "optimizer", "head_weight")
    return search(folder, trials, **({"tuned": tuned} | given))
