"""FMN: the fast minimum-norm attack, whose ball shrinks and grows on the boundary.

attack = keras_mpat.attacks.FMN(keras_mpat.L2(0.5))
x_adv, distance = attack.closest(classifier, x, y)
"""

from dataclasses import KW_ONLY, dataclass, replace

import keras
import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.attacks.aims import aimed
from keras_mpat.attacks.attack import per_example
from keras_mpat.attacks.hyperplane import relative_distance, relative_radius
from keras_mpat.attacks.minimum_norm import (
    MinimumNormAttack,
    SureLead,
    best_or_last,
    dual_norm,
)
from keras_mpat.attacks.scheduled import cosine
from keras_mpat.attacks.targets import check_target_classes, num_aims
from keras_mpat.configurable import check_count
from keras_mpat.objectives import Margin

_LENGTHS = 1.0, 0.01  # of the first and the last step, in radii
_RATES = 0.05, 0.001  # by which the first and the last step change the ball
_FAR = 1e12  # where the function is flat, the ball is infinite


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class FMN(MinimumNormAttack):
    """Steps along the gradient inside a ball that shrinks and grows on the boundary.

    Each example has its own radius: a little smaller after a misclassified point, a
    little larger after another one; until the first misclassified point it is the
    distance at which a linear function would reach the boundary. It takes one gradient
    per step and other paths than `FAB`, so small distances are confirmed with it.

    Args:
        threat_model: `Linf` or `L2`.
        steps: gradients per run, >= 1; a run ends with three more, which project x
            itself on the last boundary.
        restarts: passes over the targets; the first starts at the clean point, the
            others at random points of the ball of epsilon / 2.
        target_classes: `None`: toward the best wrong class of each step, as published.
            An integer, or "all": so many wrong classes, one after the other, by the
            logits of the clean point, the largest first; any wrong class fools.

    Raises:
        ValueError: a count below 1.

    References:
        Pintor et al., arXiv:2102.12827, algorithm 1. Along cosines, the steps fall from
        1 to 0.01, the changes of the radius from 5 % to 0.1 %. A step follows the
        steepest direction of the norm and is measured in radii of the example's ball;
        in the paper it is a Euclidean unit vector whatever the norm. Features that the
        box stops do not count in a step.
    """

    _: KW_ONLY
    steps: int = 200
    restarts: int = 1
    target_classes: int | str | None = None

    def __post_init__(self):
        super().__post_init__()
        check_count("steps", self.steps, "The usual value is 200.")
        check_count("restarts", self.restarts, "One pass is restarts=1.")
        check_target_classes(self.target_classes)

    def runs(self, num_classes):
        return self.restarts * num_aims(self.target_classes, num_classes)

    @property
    def passes(self):
        return 2 * self.steps

    def approach(self, logits_fn, x, targets, keys, number):
        lead = SureLead(logits_fn, x, targets)
        num_classes = lead.logits.shape[-1]
        aims = num_aims(self.target_classes, num_classes)
        count = None if self.target_classes is None else aims
        goal = aimed(logits_fn, x, targets, keys, Margin(kappa=None), count, number)
        lengths, rates = cosine(*_LENGTHS, self.steps), cosine(*_RATES, self.steps)

        def boundary(x_adv):
            gradient, value, logits = backend.input_gradient(goal, x_adv)
            return value, ops.nan_to_num(gradient), logits

        def step(i, state):
            x_adv, radius, *best = state
            value, gradient, logits = boundary(x_adv)
            gradient, found = self._free(x_adv, gradient), ops.isfinite(best[1])
            best, fooled = self.keep(tuple(best), x_adv, x, lead(logits))
            rate, length = ops.take(rates, i), ops.take(lengths, i)
            smaller = ops.minimum(radius * (1.0 - rate), best[1])
            linear = self._linear(x_adv, x, value, gradient)
            larger = ops.where(found, radius * (1.0 + rate), linear)
            radius = ops.where(fooled, smaller, larger)
            x_adv = self._moved(x_adv, x, per_example(radius, x), length, gradient)
            return (self.settled(x_adv, x), radius, *best)

        start = x if self.restarts == 1 else self.start(x, keys, number, aims)
        nothing = ops.full_like(lead.rounding, float("inf"))
        state = (start, nothing, x, nothing)
        last, _, *best = backend.loop(self.steps, step, state)
        best, _ = self.keep(tuple(best), last, x, lead(goal(last)[1]))
        last, best = self.polished(x, lead, boundary, last, best)
        best = self.refined(logits_fn, x, lead, best)
        return best_or_last(best, last, x)

    def _free(self, x_adv, gradient):
        """The gradient, 0 where it points out of the box."""
        low, high = self.threat_model.bounds
        end = ops.where(
            gradient > 0, np.asarray(high, "float32"), np.asarray(low, "float32")
        )
        return ops.where(ops.equal(x_adv, end), 0.0, gradient)

    def _linear(self, x_adv, x, value, gradient):
        """The radius (B,) at which a linear function would be 0."""
        beyond = ops.abs(value) / dual_norm(self.threat_model, gradient)
        return relative_distance(self.threat_model, x_adv, x) + beyond

    def _moved(self, x_adv, x, radius, length, gradient):
        """A step of `length` radii, then back into the ball of that radius."""
        relative, ball = relative_radius(self.threat_model), self.threat_model
        reach = length * ops.minimum(radius, _FAR)
        x_adv = x_adv + reach * relative * ball.steepest(gradient)
        return replace(ball, epsilon=relative * radius).project(x_adv, x)
