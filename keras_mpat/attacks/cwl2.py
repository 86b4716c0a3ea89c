"""Carlini and Wagner's L2 attack: the smallest change, by gradient descent on it.

attack = keras_mpat.attacks.CWL2(keras_mpat.L2(0.5))
x_adv, distance = attack.closest(classifier, x, y)
"""

from dataclasses import KW_ONLY, dataclass

import keras
import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.attacks.attack import per_example
from keras_mpat.attacks.hyperplane import relative_radius
from keras_mpat.attacks.minimum_norm import (
    MinimumNormAttack,
    SureLead,
    best_or_last,
    keep_fooled,
)
from keras_mpat.configurable import check_count, check_positive
from keras_mpat.objectives import Margin
from keras_mpat.threat_models import L2

_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-8  # Adam's, as published
_LARGEST = 1e10  # above it, the constant counts as unbounded, as in the authors' code


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class CWL2(MinimumNormAttack):
    """Adam on ||change||^2 + c * max(z_y - max_{j != y} z_j, 0), bisecting c.

    Slower than `FAB` and found by another path: with it, small distances are
    confirmed. One run has binary_search_steps * steps gradients.

    Args:
        threat_model: `L2`.
        steps: gradients per constant, >= 1.
        binary_search_steps: constants tried per example, >= 1.
        learning_rate: of Adam, a fraction of the range of the bounds; it falls
            linearly to 0.
        initial_const: the first c; times 10 until the example is fooled, bisected
            from then on.

    Raises:
        ValueError: an argument out of its range, or a ball that is no `L2`.

    References:
        Carlini and Wagner, arXiv:1608.04644, section V with f_6 and kappa = 0. Points
        are clipped to the box (section V.B, "projected gradient descent") in place of
        tanh, whose slope is 0 for pixels that are black or white.
    """

    _: KW_ONLY
    steps: int = 1000
    binary_search_steps: int = 9
    learning_rate: float = 0.01
    initial_const: float = 0.01

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.threat_model, L2):
            raise ValueError(
                "`threat_model` of CWL2 must be an L2 ball. Received: threat_model="
                f"{self.threat_model!r}. Pass keras_mpat.L2(0.5); for Linf use FAB."
            )
        check_count("steps", self.steps, "The default is steps=1000.")
        check_count(
            "binary_search_steps", self.binary_search_steps, "The default is 9."
        )
        check_positive(
            "learning_rate",
            self.learning_rate,
            "fraction of the range of the bounds",
            "The default is 0.01.",
        )
        check_positive(
            "initial_const", self.initial_const, "a weight", "The default is 0.01."
        )

    def approach(self, logits_fn, x, targets, keys, number):
        lead = SureLead(logits_fn, x, targets)
        nothing = ops.full_like(lead.rounding, float("inf"))

        def search(_, state):
            constant, low, high, _, *best = state
            last, *found = self._descend(logits_fn, x, targets, constant, lead)
            fooled = ops.isfinite(found[1])
            best = keep_fooled(tuple(best), *found, fooled)
            return (*_bisect(constant, low, high, fooled), last, *best)

        first, low, high = (
            ops.full_like(nothing, value)
            for value in (self.initial_const, 0.0, _LARGEST)
        )
        state = (first, low, high, x, x, nothing)
        state = backend.loop(self.binary_search_steps, search, state)
        best = self.refined(logits_fn, x, lead, state[4:])
        return best_or_last(best, state[3], x)

    def _descend(self, logits_fn, x, targets, constant, lead):
        """(last, closest fooled, its distance) of one descent from x."""
        margin, unit = Margin(kappa=0.0), self._unit(x)
        weight = per_example(constant, x)

        def goal(x_adv):
            logits = ops.cast(logits_fn(x_adv), "float32")
            return margin(targets, logits), logits

        def step(i, state):
            x_adv, first, second, *best = state
            gradient, _, logits = backend.input_gradient(goal, x_adv)
            best, _ = self.keep(tuple(best), x_adv, x, lead(logits))
            change = (x_adv - x) / ops.where(unit > 0, unit, 1.0)
            downhill = weight * gradient * unit - 2.0 * change
            count = ops.cast(i, "float32")
            first = _FIRST * first + (1 - _FIRST) * downhill
            second = _SECOND * second + (1 - _SECOND) * ops.square(downhill)
            mean = first / (1 - ops.power(_FIRST, count + 1))
            spread = ops.sqrt(second / (1 - ops.power(_SECOND, count + 1)))
            rate = self.learning_rate * (1 - count / self.steps)
            moved = x_adv + rate * unit * mean / (spread + _TINY)
            moved = self.settled(self.threat_model.box(moved), x)
            return (moved, first, second, *best)

        zero = ops.zeros_like(x)
        nothing = ops.full_like(constant, float("inf"))
        state = backend.loop(self.steps, step, (x, zero, zero, x, nothing))
        last, best = state[0], state[3:]
        best, _ = self.keep(best, last, x, lead(logits_fn(last)))
        return (last, *best)

    def _unit(self, x):
        """Length of 1 in the descent, per feature: 0 where it cannot move."""
        ball = self.threat_model
        low, high = (np.asarray(bound, "float64") for bound in ball.bounds)
        width = float(np.max(high - low))
        mutable = np.asarray(True if ball.mutable is None else ball.mutable, "float32")
        length = width if np.isfinite(width) else 1.0
        return ops.cast(mutable * length * relative_radius(ball), "float32")


def _bisect(constant, low, high, fooled):
    """(constant, low, high) for the next descent: smaller where it fooled."""
    high = ops.where(fooled, ops.minimum(high, constant), high)
    low = ops.where(fooled, low, ops.maximum(low, constant))
    middle = (low + high) / 2
    return ops.where(high < _LARGEST, middle, 10 * constant), low, high
