"""FAB: the fast adaptive boundary attack, which needs no step size.

attack = keras_mpat.attacks.FAB(keras_mpat.Linf("8/255"))       # FAB-T, 9 targets
x_adv, distance = attack.closest(classifier, x, y)
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import keras
from keras import ops

from keras_mpat import backend
from keras_mpat.attacks.attack import per_example
from keras_mpat.attacks.hyperplane import relative_distance, shortest_move
from keras_mpat.attacks.minimum_norm import (
    MinimumNormAttack,
    SureLead,
    best_or_last,
    dual_norm,
    inner,
)
from keras_mpat.attacks.targets import (
    check_target_classes,
    num_aims,
    wrong_class,
)
from keras_mpat.configurable import check_between, check_count
from keras_mpat.objectives import class_ids


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class FAB(MinimumNormAttack):
    """Projects on the linearized decision boundary, close to the clean point.

    It neither follows the size of the gradient nor fills the ball, so it fails for
    other reasons than PGD does, and its `closest` points serve every epsilon.

    Args:
        threat_model: `Linf` or `L2`.
        steps: gradients per run, >= 1.
        restarts: passes over the targets; the first starts at the clean point, the
            others at random points of the ball of epsilon / 2.
        target_classes: how many classes to aim at, one after the other, from the class
            that is second on the clean point; more than there are means all; or "all".
            `None` is untargeted FAB: each step goes to the nearest of the C - 1
            boundaries, at the price of C - 1 gradients per step.
        alpha_max: largest weight of the clean point in a step, in [0, 1].
        overshoot: a step goes this many times as far as the boundary, >= 1.
        backward: part of the way from x that a misclassified point keeps, in (0, 1).

    Raises:
        ValueError: an argument out of its range.

    References:
        Croce and Hein, arXiv:1907.02044, algorithm 1; targeted as in AutoAttack,
        arXiv:2003.01690. One gradient per step serves the step and the verdict: after
        the step back, the boundary is the one linearized before it.
    """

    _: KW_ONLY
    steps: int = 100
    restarts: int = 1
    target_classes: Any = 9
    alpha_max: float = 0.1
    overshoot: float = 1.05
    backward: float = 0.9

    def __post_init__(self):
        super().__post_init__()
        check_count("steps", self.steps, "FAB of AutoAttack has steps=100.")
        check_count("restarts", self.restarts, "One pass is restarts=1.")
        check_target_classes(self.target_classes)
        check_between("alpha_max", self.alpha_max, 0, 1, "The paper's is 0.1.")
        check_between("overshoot", self.overshoot, 1, 2, "The paper's is 1.05.")
        check_between("backward", self.backward, 0, 1, "The paper's is 0.9.")

    def runs(self, num_classes):
        return self.restarts * num_aims(self.target_classes, num_classes)

    @property
    def passes(self):
        return 3 * self.steps

    def approach(self, logits_fn, x, targets, keys, number):
        lead = SureLead(logits_fn, x, targets)
        logits = lead.logits
        labels = class_ids(targets, logits.shape[-1])
        boundary = self._boundary(logits_fn, labels, logits, number)

        def step(_, state):
            x_adv, *best = state
            value, gradient, logits = boundary(x_adv)
            best, fooled = self.keep(tuple(best), x_adv, x, lead(logits))
            x_adv = self._step(x, x_adv, value, gradient, fooled)
            return (self.settled(x_adv, x), *best)

        start, nothing = x, ops.full_like(logits[:, 0], float("inf"))
        if self.restarts > 1:
            exact = num_aims(self.target_classes, logits.shape[-1])
            start = self.start(x, keys, number, exact)
        last, *best = backend.loop(self.steps, step, (start, x, nothing))
        last, best = self.polished(x, lead, boundary, last, tuple(best))
        best = self.refined(logits_fn, x, lead, best)
        return best_or_last(best, last, x)

    def _step(self, x, x_adv, value, gradient, fooled):
        """The next point, from the function at x_adv (B,) and its slope there."""
        change = x_adv - x
        kept = ops.where(per_example(fooled, x), self.backward * change, change)
        at_x = value - inner(gradient, change)
        at_kept = at_x + inner(gradient, kept)
        moves = shortest_move(
            self.threat_model,
            ops.concatenate([x + kept, x]),
            ops.concatenate([at_kept, at_x]),
            ops.concatenate([gradient, gradient]),
        )
        lengths = relative_distance(self.threat_model, moves, ops.zeros_like(moves))
        (here, there), (near, far) = ops.split(moves, 2), ops.split(lengths, 2)
        total = near + far
        alpha = ops.minimum(near / ops.where(total > 0, total, 1.0), self.alpha_max)
        alpha = per_example(alpha, x)
        moved = (1 - alpha) * (kept + self.overshoot * here)
        moved = moved + alpha * self.overshoot * there
        return self.threat_model.box(x + moved)

    def _boundary(self, logits_fn, labels, logits, number):
        """x -> (value (B,), gradient, logits) of the function that is 0 on it."""
        num_classes = logits.shape[-1]

        def toward(wrong):
            signs = _one_hot(wrong, num_classes) - _one_hot(labels, num_classes)

            def lead(x):
                logits = ops.cast(logits_fn(x), "float32")
                return ops.sum(signs * logits, axis=-1), logits

            def linearized(x):
                gradient, value, logits = backend.input_gradient(lead, x)
                return value, gradient, logits

            return linearized

        if self.target_classes is None:
            return self._nearest(toward, labels, num_classes)
        rank = number % num_aims(self.target_classes, num_classes)
        return toward(wrong_class(labels, logits, rank))

    def _nearest(self, toward, labels, num_classes):
        """As `_boundary`: of all wrong classes the one that looks nearest."""

        def linearized(x):
            def compare(rank, state):
                wrong = rank + ops.cast(rank >= labels, "int32")
                value, gradient, logits = toward(wrong)(x)
                distance = ops.abs(value) / dual_norm(self.threat_model, gradient)
                closer = distance < state[0]
                found = (distance, value, gradient)
                return (
                    *(
                        ops.where(per_example(closer, new), new, old)
                        for new, old in zip(found, state[:3], strict=True)
                    ),
                    logits,
                )

            flat = ops.zeros_like(ops.cast(labels, "float32"))
            state = (flat + float("inf"), flat, ops.zeros_like(x))
            state = (*state, _one_hot(labels, num_classes))
            return backend.loop(num_classes - 1, compare, state)[1:]

        return linearized


def _one_hot(ids, num_classes):
    return ops.one_hot(ids, num_classes, dtype="float32")
