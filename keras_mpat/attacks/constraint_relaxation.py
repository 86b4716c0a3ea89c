"""Constraint relaxation: margin PGD that takes detours outside the ball.

attack = keras_mpat.attacks.ConstraintRelaxation(keras_mpat.Linf("8/255"))
"""

import math
from dataclasses import KW_ONLY, dataclass

import keras
import numpy as np
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks.aims import aimed
from keras_mpat.attacks.attack import Attack, Goal, worst_of
from keras_mpat.attacks.scheduled import best_of, climb, cosine, nothing_kept
from keras_mpat.configurable import check_between, check_count
from keras_mpat.objectives import Margin
from keras_mpat.threat_models import ThreatModel, check_threat_model

_MARGIN = Margin(kappa=None)
_LEAST = 0.05  # enlargement of the last cycles
_FIRST_LENGTH, _LAST_LENGTH = 1.0, 0.01  # of epsilon, in each third


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class ConstraintRelaxation(Attack):
    """Cycles of margin steps in an enlarged ball, in the ball, and after a push.

    What is a local maximum inside the ball need not be one in a larger ball. The first
    third of a cycle climbs in the ball of epsilon (1 + s); its end is projected into
    the ball of epsilon, where the second third climbs on. Then the point moves halfway
    to a random point of the ball, and the last third climbs again. s halves from cycle
    to cycle, down to 0.05. Only points inside the ball are judged; the best one counts.

    The ceil(log C) likeliest wrong classes of the clean image are aimed at, one after
    the other. An attack to add to others: where a cycle cannot see a boundary from
    outside, it is the weaker one.

    Args:
        threat_model: `Linf`, `L2` or your own; a run starts at a random point.
        cycles: per run, >= 1.
        steps: gradient steps per cycle, >= 6. In each third they fall along a cosine
            from epsilon to epsilon / 100.
        enlargement: s of the first cycle, between 0 and 10.
        restarts: runs per class, >= 1.

    Raises:
        ValueError: a number out of its range.

    References:
        "Efficient Robustness Evaluation via Constraint Relaxation" (CR attack), from
        its description; the push and the lengths of the steps are ours.
    """

    threat_model: ThreatModel
    _: KW_ONLY
    cycles: int = 5
    steps: int = 30
    enlargement: float = 1.0
    restarts: int = 1

    def __post_init__(self):
        check_threat_model(self.threat_model)
        check_count("cycles", self.cycles, "The usual value is 5.")
        check_count("steps", self.steps, "The usual value is 30.", minimum=6)
        check_between("enlargement", self.enlargement, 0, 10, "The usual one is 1.")
        check_count("restarts", self.restarts, "One run per class is restarts=1.")

    def search(self, logits_fn, x, targets, keys):
        def run(number):
            return self.run(logits_fn, x, targets, keys, number)

        runs = self.runs(logits_fn(x).shape[-1])
        return worst_of(runs, run, Goal(logits_fn, x, targets, keys, _MARGIN))

    def runs(self, num_classes):
        return self.restarts * _num_aims(num_classes)

    @property
    def passes(self):
        return 2 * self.cycles * self.steps

    def run(self, logits_fn, x, targets, keys, number):
        count = _num_aims(logits_fn(x).shape[-1])
        goal = aimed(logits_fn, x, targets, keys, _MARGIN, count, number)
        keys = noise.fold(keys, number)
        outside, inside = self._outside(), ~np.roll(self._outside(), 1)

        def cycle(number, state):
            last, *best = state
            pushed = self.threat_model.sample(x, noise.fold(keys, number))
            move = self._steps(x, outside, self._factor(number), pushed)
            last, best = climb(goal, last, self.steps, move, tuple(best), inside)
            return (last, *best)

        start = self.threat_model.sample(x, keys)
        state = (start, *nothing_kept(x))
        last, *best = backend.loop(self.cycles, cycle, state)
        return best_of(goal, last, tuple(best))

    def _outside(self):
        """Whether step i of a cycle may leave the ball: its first third, less one."""
        return np.arange(self.steps) < self.steps // 3 - 1

    def _factor(self, number):
        """The radius of the enlarged ball of a cycle, in epsilons."""
        halves = self.enlargement * 0.5 ** np.arange(self.cycles)
        table = 1.0 + np.maximum(halves, min(_LEAST, self.enlargement))
        return ops.take(table.astype("float32"), number)

    def _steps(self, x, outside, factor, pushed):
        """The moves of a cycle; `factor` is the radius of its enlarged ball."""
        third = self.steps // 3
        counts = (third, third, self.steps - 2 * third)
        parts = [cosine(_FIRST_LENGTH, _LAST_LENGTH, count) for count in counts]
        lengths, ball = np.concatenate(parts), self.threat_model

        def move(i, x_adv, gradient):
            x_adv = x_adv + ops.take(lengths, i) * ball.radius * ball.steepest(gradient)
            size = ops.where(ops.take(outside, i), factor, 1.0)
            x_adv = ball.scaled(size).project(x_adv, x)
            return ops.where(ops.equal(i, 2 * third - 1), (x_adv + pushed) / 2, x_adv)

        return move


def _num_aims(num_classes: int) -> int:
    return max(1, math.ceil(math.log(num_classes)))
