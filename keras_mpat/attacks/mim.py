"""The momentum iterative method."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import keras
from keras import ops

from keras_mpat import backend
from keras_mpat.attacks.attack import Goal, GradientAttack
from keras_mpat.configurable import check_count, check_not_negative
from keras_mpat.objectives import CrossEntropy, Objective


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class MIM(GradientAttack):
    """Steps along a running sum of gradients, each divided by its mean magnitude.

    Args:
        threat_model: `Linf`, `L2` or your own.
        steps: gradient steps, >= 1.
        step_size: length of a step; `None` is epsilon / steps.
        momentum: weight mu of the running sum, >= 0; 0 is BIM.
        objective: what is raised; cross-entropy of the logits by default.
        target: a rule that makes the attack targeted.

    References:
        Dong et al., arXiv:1710.06081, algorithm 1 (the L1 norm there and the mean
        magnitude here differ by a constant factor, so the signs are the same).
    """

    _: KW_ONLY
    steps: int = 10
    momentum: float = 1.0
    objective: Objective = field(default_factory=CrossEntropy)
    target: Any = None

    def __post_init__(self):
        super().__post_init__()
        check_count("steps", self.steps, "MIM-10 is steps=10.")
        check_not_negative(
            "momentum", self.momentum, "a factor", "The usual value is 1.0."
        )

    def default_step_length(self):
        return self.threat_model.radius / self.steps

    def search(self, logits_fn, x, targets, keys):
        goal = Goal(logits_fn, x, targets, keys, self.objective, self.target)
        threat_model, step_length = self.threat_model, self.step_length
        axes = tuple(range(1, len(x.shape)))

        def step(_, state):
            x_adv, total = state
            gradient, _, _ = backend.input_gradient(goal, x_adv)
            magnitude = ops.mean(ops.abs(gradient), axis=axes, keepdims=True)
            gradient = gradient / ops.where(magnitude > 0, magnitude, 1.0)
            total = self.momentum * total + gradient
            direction = threat_model.steepest(total)
            return threat_model.project(x_adv + step_length * direction, x), total

        return backend.loop(self.steps, step, (x, ops.zeros_like(x)))[0]
