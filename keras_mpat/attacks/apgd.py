"""Auto-PGD: gradient ascent with momentum that finds its own step sizes.

attack = keras_mpat.attacks.APGD(keras_mpat.Linf("8/255"))
attack = APGD(ball, objective=objectives.DLR(), target_classes=9)   # "APGD-T"
"""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks import adaptive_step
from keras_mpat.attacks.aims import aimed
from keras_mpat.attacks.attack import Attack, Goal, check_rule, per_example, worst_of
from keras_mpat.attacks.diversified import diversified
from keras_mpat.attacks.targets import check_target_classes, num_aims
from keras_mpat.configurable import check_count, check_share, check_switch
from keras_mpat.objectives import CrossEntropy, Objective
from keras_mpat.threat_models import ThreatModel, check_threat_model


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class APGD(Attack):
    """Auto-PGD: steps of two radii with momentum, halved where they stop to pay.

    At checkpoints an example whose objective rose too seldom, or did not reach a new
    best value, halves its step and goes back to its best point. There is no step size
    to choose. A fooled example goes on while the lead of the wrong class grows and then
    rests. The result is the fooled point of the largest lead, else the point of the
    highest objective.

    Args:
        threat_model: `Linf`, `L2` or your own; a run starts at its `surface`.
        steps: gradient steps per run, >= 1.
        restarts: runs from different random starts, >= 1; the worst counts per example.
        objective: what is raised; cross-entropy of the logits by default.
        target_classes: `None`: away from the true class. An integer T, or "all": run r
            aims at the wrong class with the r-th largest logit of the clean image, for
            min(T, C - 1) classes; an example is fooled by any wrong class. There are
            `restarts` runs per class.
        momentum: weight of the new step against the last one, in (0, 1]; 1 is none.
        rho: the step is halved if at most this share of the steps since the last
            checkpoint raised the objective; in (0, 1].
        eot_iterations: forward passes over which gradient, objective and logits are
            averaged, >= 1; for classifiers that are random.
        odi_steps: steps of length epsilon, >= 0, that lead each start in a random
            direction of the logits first (output-diversified initialization).
        compat: follow the reference implementation step by step: nothing rests, the
            last fooled point is returned, and the first step counts as an increase if
            the objective is positive after it.

    Raises:
        ValueError: a count below 1, or a share outside (0, 1].

    References:
        Croce and Hein, arXiv:2003.01690, algorithm 1; the targets: section 4.2;
        `eot_iterations`: Athalye et al., arXiv:1802.00420; `odi_steps`: Tashiro et al.,
        arXiv:2003.06878.
    """

    threat_model: ThreatModel
    _: KW_ONLY
    steps: int = 100
    restarts: int = 1
    objective: Objective = field(default_factory=CrossEntropy)
    target_classes: int | str | None = None
    momentum: float = 0.75
    rho: float = 0.75
    eot_iterations: int = 1
    odi_steps: int = 0
    compat: bool = False

    def __post_init__(self):
        check_threat_model(self.threat_model)
        check_count("steps", self.steps, "The usual value is 100.")
        check_count("restarts", self.restarts, "One run is restarts=1.")
        check_rule("objective", self.objective)
        check_target_classes(self.target_classes)
        for name in ("momentum", "rho"):
            check_share(name, getattr(self, name), "share", "The usual value is 0.75.")
        check_count("eot_iterations", self.eot_iterations, "1 is no average.")
        check_count("odi_steps", self.odi_steps, "0 is none.", minimum=0)
        check_switch("compat", self.compat)

    def search(self, logits_fn, x, targets, keys):
        def run(number):
            return self.run(logits_fn, x, targets, keys, number)

        runs = self.runs(logits_fn(x).shape[-1])
        return worst_of(runs, run, Goal(logits_fn, x, targets, keys, self.objective))

    def runs(self, num_classes):
        return self.restarts * num_aims(self.target_classes, num_classes)

    @property
    def passes(self):
        return 2 * self.steps * self.eot_iterations

    def run(self, logits_fn, x, targets, keys, number):
        goal = self._goal(logits_fn, x, targets, keys, number)
        keys = noise.fold(keys, number)
        start = self.threat_model.surface(x, keys)
        if self.odi_steps:
            start = diversified(
                logits_fn, self.threat_model, x, start, keys, self.odi_steps
            )
        return self.ascend(goal, x, start)

    def _goal(self, logits_fn, x, targets, keys, number):
        count = None
        if self.target_classes is not None:
            count = num_aims(self.target_classes, logits_fn(x).shape[-1])
        return aimed(logits_fn, x, targets, keys, self.objective, count, number)

    def ascend(self, goal, x, start):
        """One run of `steps` steps from `start`, inside the ball around x."""
        limits = adaptive_step.limits(self.steps, self.rho)
        weights = np.full(self.steps, self.momentum)
        weights[0] = 1.0  # no step before the first
        weights = weights.astype(keras.backend.standardize_dtype(start.dtype))

        def step(i, state):
            moved = self._moved(state, x, ops.take(weights, i))
            return self._arrived(goal, state, moved, ops.take(limits, i))

        def done(state):
            return ops.all(state.resting)

        state = backend.loop(self.steps, step, self._begun(goal, start), done)
        return ops.where(per_example(_fooled(state), x), state.found, state.best_x)

    def _begun(self, goal, start):
        gradient, values, logits = self._evaluated(goal, start)
        wrong = goal.fooled(logits)
        return _Climb(
            x=start,
            before=start,
            gradient=gradient,
            best_x=start,
            best_gradient=gradient,
            found=start,
            lead=ops.where(wrong, goal.lead(logits), -float("inf")),
            resting=ops.zeros_like(wrong),
            step=adaptive_step.begin(values, first_from_zero=self.compat),
        )

    def _moved(self, state, x, weight):
        """The next points: a projected step, then momentum; who rests stays."""
        ball = self.threat_model
        size = per_example(state.step.size, x) * ball.radius
        ahead = ball.project(state.x + size * ball.steepest(state.gradient), x)
        moved = state.x + weight * (ahead - state.x)
        moved = ball.project(moved + (1 - weight) * (state.x - state.before), x)
        return ops.where(per_example(state.resting, x), state.x, moved)

    def _arrived(self, goal, state, x, limit):
        """The state at the points x, from which the next step starts."""
        gradient, values, logits = self._evaluated(goal, x)
        step, improved, restart = adaptive_step.update(state.step, values, limit)
        improved, restart = per_example(improved, x), per_example(restart, x)
        best_x = ops.where(improved, x, state.best_x)
        best_gradient = ops.where(improved, gradient, state.best_gradient)
        wrong, lead = goal.fooled(logits), goal.lead(logits)
        further = ops.logical_and(wrong, lead > state.lead)
        done = ops.logical_and(_fooled(state), ops.logical_not(further))
        resting = ops.logical_or(state.resting, done)
        taken = ops.logical_and(further, ops.logical_not(resting))
        if self.compat:
            resting, taken = state.resting, wrong
        return _Climb(
            x=ops.where(restart, best_x, x),
            before=state.x,
            gradient=ops.where(restart, best_gradient, gradient),
            best_x=best_x,
            best_gradient=best_gradient,
            found=ops.where(per_example(taken, x), x, state.found),
            lead=ops.where(taken, lead, state.lead),
            resting=resting,
            step=step,
        )

    def _evaluated(self, goal, x):
        """(gradient, values, logits) at x, averaged over `eot_iterations`."""

        def add(_, total):
            new = backend.input_gradient(goal, x)
            return tuple(a + b for a, b in zip(total, new, strict=True))

        total = backend.input_gradient(goal, x)
        if self.eot_iterations > 1:
            total = backend.loop(self.eot_iterations - 1, add, total)
            total = tuple(part / self.eot_iterations for part in total)
        gradient, values, logits = total
        return ops.nan_to_num(gradient), values, logits


class _Climb(NamedTuple):
    """Where a run stands; `found` is the fooled point of the largest `lead`."""

    x: Any
    before: Any
    gradient: Any
    best_x: Any
    best_gradient: Any
    found: Any
    lead: Any
    resting: Any
    step: adaptive_step.AdaptiveStep


def _fooled(state):
    return state.lead > -float("inf")
