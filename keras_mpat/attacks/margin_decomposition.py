"""Margin decomposition: one half of the margin first, then both.

attack = keras_mpat.attacks.MarginDecomposition(keras_mpat.Linf("8/255"))
"""

from dataclasses import KW_ONLY, dataclass

import keras
from keras import ops

from keras_mpat import noise
from keras_mpat.attacks.attack import Attack, Goal, worst_of
from keras_mpat.attacks.scheduled import (
    best_of,
    climb,
    cosine,
    nothing_kept,
    projected_steps,
)
from keras_mpat.configurable import check_count
from keras_mpat.objectives import Margin, own_and_others
from keras_mpat.threat_models import ThreatModel, check_threat_model

_MARGIN = Margin(kappa=None)
_FIRST_LENGTH = 2.0  # epsilons: the first step reaches across the ball


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class MarginDecomposition(Attack):
    """Raises -z_y or max_{j != y} z_j alone, then the margin, which is their sum.

    Where the gradient of one part is much larger than that of the other, the sum
    follows the larger one only ("imbalanced gradients"), although the smaller may lead
    out of the class. Runs take turns: the even ones lower the true class first, the odd
    ones raise the best wrong class first.

    Args:
        threat_model: `Linf`, `L2` or your own; a run starts at a random point.
        steps: gradient steps per run, >= 2; the first half is for one part alone. In
            each half the steps fall along a cosine from 2 epsilon to 0.
        restarts: pairs of runs, >= 1.

    Raises:
        ValueError: a count out of its range.

    References:
        Ma et al., "Imbalanced Gradients: A Subtle Cause of Overestimated Adversarial
        Robustness", arXiv:2006.13726.
    """

    threat_model: ThreatModel
    _: KW_ONLY
    steps: int = 50
    restarts: int = 1

    def __post_init__(self):
        check_threat_model(self.threat_model)
        check_count("steps", self.steps, "The usual value is 50.", minimum=2)
        check_count("restarts", self.restarts, "One pair of runs is restarts=1.")

    def search(self, logits_fn, x, targets, keys):
        def run(number):
            return self.run(logits_fn, x, targets, keys, number)

        goal = Goal(logits_fn, x, targets, keys, _MARGIN)
        return worst_of(2 * self.restarts, run, goal)

    def runs(self, num_classes):
        return 2 * self.restarts

    @property
    def passes(self):
        return 2 * self.steps

    def run(self, logits_fn, x, targets, keys, number):
        start = self.threat_model.sample(x, noise.fold(keys, number))
        bound = logits_fn, x, targets, keys, _MARGIN
        whole, part = Goal(*bound), _Part(ops.cast(number % 2, "float32"), *bound)
        last, best = start, nothing_kept(x)
        first = self.steps // 2
        for goal, count in ((part, first), (whole, self.steps - first)):
            # The cosine ends after the last step: a step of length 0 would be wasted.
            lengths = cosine(_FIRST_LENGTH, 0.0, count + 1)
            move = projected_steps(self.threat_model, x, lengths)
            last, best = climb(goal, last, count, move, best)
        return best_of(whole, last, best)


class _Part(Goal):
    """Raises max_{j != y} z_j where `raise_others` is 1, -z_y where it is 0."""

    def __init__(self, raise_others, *bound):
        super().__init__(*bound)
        self._raise_others = raise_others

    def __call__(self, x):
        logits = ops.cast(self._logits_fn(x), "float32")
        own, others = own_and_others(self._labels, logits)
        raised = self._raise_others * ops.max(others, axis=-1)
        return raised - (1.0 - self._raise_others) * own, logits
