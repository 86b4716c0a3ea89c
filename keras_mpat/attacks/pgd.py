"""Projected gradient descent, the attack that the others are short forms of.

attack = keras_mpat.attacks.PGD(keras_mpat.Linf("8/255"), steps=10)
x_adv = attack(classifier, x, y, seed=0)
"""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import keras
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks.attack import Goal, GradientAttack, per_example, worst_of
from keras_mpat.configurable import check_count
from keras_mpat.objectives import CrossEntropy, Objective


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class PGD(GradientAttack):
    """Repeats: gradient, steepest direction, step, back into the ball and the box.

    Args:
        threat_model: `Linf`, `L2` or your own.
        steps: gradient steps per run, >= 1.
        step_size: length of a step in the units of epsilon, or a string such as
            "2/255"; `None` is 2.5 epsilon / steps.
        random_start: begin each run at a random point of the ball, else at x.
        restarts: runs from different random starts; the worst one counts for each
            example (fooled first, then the higher objective). 1 is a single run.
        freeze: stop moving an example once it is fooled: it stays fooled, and changes
            less.
        objective: what is raised; cross-entropy of the logits by default.
        target: a rule that makes the attack targeted, e.g. `attacks.LeastLikely()`.

    Call arguments, return value: see `Attack`.

    Raises:
        ValueError: a count below 1, a step that is not positive, or several restarts
            that would all be the same run.

    References:
        Madry et al., arXiv:1706.06083, section 2.1.
    """

    _: KW_ONLY
    steps: int = 10
    random_start: bool = True
    restarts: int = 1
    freeze: bool = False
    objective: Objective = field(default_factory=CrossEntropy)
    target: Any = None

    def __post_init__(self):
        super().__post_init__()
        check_count("steps", self.steps, "PGD-10 is steps=10.")
        check_count("restarts", self.restarts, "One run is restarts=1.")
        if self.restarts > 1 and not self.random_start:
            raise ValueError(
                "`restarts` above 1 need `random_start=True`: without it all runs are "
                f"the same. Received: restarts={self.restarts}, random_start=False. "
                "Pass random_start=True or restarts=1."
            )

    def default_step_length(self):
        return 2.5 * self.threat_model.radius / self.steps

    @property
    def passes(self):
        return 2 * self.steps

    def search(self, logits_fn, x, targets, keys):
        goal = self._goal(logits_fn, x, targets, keys)
        return worst_of(self.restarts, lambda r: self._run(goal, x, keys, r), goal)

    def runs(self, num_classes):
        return self.restarts

    def run(self, logits_fn, x, targets, keys, number):
        goal = self._goal(logits_fn, x, targets, keys)
        return self._run(goal, x, keys, number)

    def _goal(self, logits_fn, x, targets, keys):
        return Goal(logits_fn, x, targets, keys, self.objective, self.target)

    def _run(self, goal, x, keys, number):
        start = x
        if self.random_start:
            start = self.threat_model.sample(x, noise.fold(keys, number))
        return self.ascend(goal, x, start)

    def ascend(self, goal, x, start):
        """One run of `steps` steps from `start`, inside the ball around x."""
        threat_model, step_length = self.threat_model, self.step_length

        def step(_, state):
            (x_adv,) = state
            gradient, _, logits = backend.input_gradient(goal, x_adv)
            direction = threat_model.steepest(gradient)
            moved = threat_model.project(x_adv + step_length * direction, x)
            if self.freeze:
                moved = ops.where(per_example(goal.fooled(logits), x), x_adv, moved)
            return (moved,)

        return backend.loop(self.steps, step, (start,))[0]
