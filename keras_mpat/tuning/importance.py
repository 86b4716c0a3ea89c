"""Which hyper-parameters of a search mattered, by a forest that learns the scores."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mpat.tuning.results import SearchResult
from keras_mpat.tuning.texts import is_missing, is_number, order_of

LEAST = 8  # completed trials below which a forest learns noise
_TREES, _REPEATS, _LEARNED = 100, 20, 0.1


@dataclass(frozen=True)
class Importance:
    """What permuting a hyper-parameter costs a forest.

    Attributes:
        drops: by hyper-parameter, the most important first: mean and standard
            deviation of how far R² falls, on the trials that the forest learnt from
            (in-sample), when its column is permuted.
        out_of_bag: R² on trials that a tree did not learn from. Near 0 or below, the
            scores cannot be told from the hyper-parameters, and the drops say nothing.
        trials: completed ones.
    """

    drops: dict[str, tuple[float, float]]
    out_of_bag: float
    trials: int

    @property
    def trusted(self) -> bool:
        """Whether the forest learned anything: scores of pure noise have long bars."""
        return self.out_of_bag >= _LEARNED


def importance(result: SearchResult, *, seed: int = 0) -> Importance | None:
    """Permutation importance of each tuned hyper-parameter.

    Values that a trial does not have count as a value of their own, below all others;
    names and lists are numbered in sorted order.

    Args:
        result: a search.
        seed: of the forest and of the permutations.

    Returns:
        `None` with fewer than `LEAST` completed trials, without a tuned
        hyper-parameter, or where all scores are equal.

    Raises:
        ImportError: without scikit-learn (the extra "report").

    References:
        Breiman, "Random Forests", Machine Learning 45, 2001.
    """
    ranked = {trial.trial_id for trial in result.ranking}
    trials = [trial for trial in result.trials if trial.trial_id in ranked]
    scores = np.array([trial.score for trial in trials], "float64")
    if len(trials) < LEAST or not result.tuned or np.ptp(scores) == 0:
        return None
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    columns = [column([t.values.get(name) for t in trials]) for name in result.tuned]
    points = np.stack(columns, axis=1)
    forest = RandomForestRegressor(_TREES, oob_score=True, random_state=seed)
    forest.fit(points, scores)
    found = permutation_importance(
        forest, points, scores, n_repeats=_REPEATS, random_state=seed
    )
    figures = [found.importances_mean.tolist(), found.importances_std.tolist()]
    drops = dict(zip(result.tuned, zip(*figures, strict=True), strict=True))
    drops = dict(sorted(drops.items(), key=lambda item: -item[1][0]))
    return Importance(drops, float(forest.oob_score_), len(trials))


def column(values: list[Any]) -> np.ndarray:
    """Numbers (N,) that a tree can split; missing values are -1 or less.

    Args:
        values: of one hyper-parameter, one per trial.
    """
    known = [value for value in values if not is_missing(value)]
    if not all(map(is_number, known)):
        ordered = sorted(known, key=order_of)
        places = {repr(value): n for n, value in enumerate(ordered)}
        return np.array([places.get(repr(value), -1) for value in values], "float64")
    missing = min([-1.0, *(float(value) - 1 for value in known)])
    filled = [missing if is_missing(value) else float(value) for value in values]
    # An infinite threshold is a legitimate value that no tree can hold.
    return np.nan_to_num(np.array(filled), posinf=1e30, neginf=-1e30)
