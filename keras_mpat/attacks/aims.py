"""One wrong class after the other: what a run that aims at one of them raises."""

from keras import ops

from keras_mpat.attacks.attack import Goal
from keras_mpat.attacks.targets import wrong_class
from keras_mpat.objectives import Objective


def aimed(
    logits_fn, x, labels, keys, objective: Objective, count: int | None, number
) -> Goal:
    """The goal of run `number`, which any wrong class fulfills.

    Args:
        logits_fn: x (B, ...) -> logits (B, C).
        x: clean inputs (B, ...): their logits rank the wrong classes.
        labels: true labels (B,), (B, 1) or one-hot.
        keys: (B, 2).
        objective: what is raised, by its `toward`.
        count: how many wrong classes take turns, the likeliest first, 1 ... C - 1;
            `None`: away from the label, toward none of them.
        number: of the run, an int or a scalar tensor >= 0.
    """
    if count is None:
        return Goal(logits_fn, x, labels, keys, objective)

    def rule(ids, logits, _):
        return wrong_class(ids, logits, number % count)

    return _Toward(logits_fn, x, labels, keys, objective, rule)


class _Toward(Goal):
    """Leads away from the label and toward one wrong class; any wrong class will do."""

    def __call__(self, x):
        logits = ops.cast(self._logits_fn(x), "float32")
        return self._objective.toward(self._labels, self._targets, logits), logits
