"""Attacks that look for the closest misclassified point, whatever epsilon is."""

import abc
from dataclasses import dataclass

from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks.attack import Attack, Goal, LogitsFn, per_example, worst_of
from keras_mpat.attacks.hyperplane import (
    relative_distance,
    relative_radius,
    shortest_move,
)
from keras_mpat.objectives import CrossEntropy, Margin
from keras_mpat.threat_models import ThreatModel, check_threat_model

_SLACK = 1e-6  # of epsilon: a closest point on the sphere may lie outside by rounding
_REFINEMENTS = 3  # forward passes on the line from the closest point to x
_BEYOND = 0.01  # of the way from the estimated boundary to the fooled side
_POLISH = 3  # steps at the end that project x itself on the last boundary
_FAR_SIDE = 1.0 + 1e-5  # they aim at it
_SURE = 5e-7  # of what a lead is summed from: four times what float32 rounds


@dataclass(frozen=True, eq=False)
class MinimumNormAttack(Attack):
    """Base of attacks that minimize the change instead of filling the ball.

    One search answers for every epsilon: `closest` reports the distance per example.
    As an `Attack` the result is the closest point if it lies in the ball, else that
    point moved into the ball. A concrete attack implements `approach`.
    """

    threat_model: ThreatModel

    def __post_init__(self):
        check_threat_model(self.threat_model)

    @abc.abstractmethod
    def approach(self, logits_fn: LogitsFn, x, targets, keys, number):
        """One run.

        Returns:
            (x_adv, distance): the closest misclassified point that was seen, and its
            distance (B,). Where none was seen: the last point, and infinity.
        """

    def closest(self, logits_fn: LogitsFn, x, targets, seed=0):
        """The closest misclassified points that the runs find, inside the box.

        Args:
            logits_fn, x, targets, seed: as of a call. Epsilon only scales the random
                starts; with one epsilon per feature it gives the metric.

        Returns:
            (x_adv, distance): x_adv like x, and its distance to x, (B,), in input
            units; 0 where x is misclassified, infinity where nothing was found (and
            x_adv means nothing). With one epsilon per feature: the largest epsilon of
            the similar ball that just holds x_adv. Points count whose wrong class leads
            by more than rounding, so that they stay misclassified in other batches.
        """
        x, keys = self.prepare(logits_fn, x, targets, seed)

        def step(r, best):
            return keep_closer(best, self.approach(logits_fn, x, targets, keys, r))

        logits = logits_fn(x)
        wrong = CrossEntropy().fooled(targets, logits)
        best = (x, ops.where(wrong, 0.0, float("inf")))
        best = backend.loop(self.runs(logits.shape[-1]), step, best)
        return tuple(ops.stop_gradient(part) for part in best)

    def search(self, logits_fn, x, targets, keys):
        goal = Goal(logits_fn, x, targets, keys, CrossEntropy())
        count = self.runs(logits_fn(x).shape[-1])
        return worst_of(count, lambda r: self.run(logits_fn, x, targets, keys, r), goal)

    def run(self, logits_fn, x, targets, keys, number):
        x_adv, distance = self.approach(logits_fn, x, targets, keys, number)
        # What `settled` moved into the ball was judged there: it stays as it is.
        within = distance <= self._limit()
        moved = self.threat_model.project(x_adv, x)
        return ops.where(per_example(within, x), x_adv, moved)

    def settled(self, x_adv, x):
        """Points that lie in the ball up to rounding, moved into it; others unchanged.

        A point is judged after this, so that a success does not end at the surface.
        """
        within = relative_distance(self.threat_model, x_adv, x) <= self._limit()
        moved = self.threat_model.project(x_adv, x)
        return ops.where(per_example(within, x), moved, x_adv)

    def refined(self, logits_fn, x, lead, best):
        """`best` (x_adv, distance), moved straight toward x while it stays fooled.

        Regula falsi on the lead of the best wrong class. It aims a little beyond the
        root, so that linear functions end on the misclassified side.
        """
        found = per_example(ops.isfinite(best[1]), x)
        change = ops.where(found, best[0] - x, 0.0)

        def step(_, state):
            low, low_lead, high, high_lead, *best = state
            share = -low_lead / ops.maximum(high_lead - low_lead, 1e-30)
            share = ops.clip(ops.where(ops.isfinite(share), share, 0.5), 0.0, 1.0)
            part = low + (high - low) * (share + _BEYOND * (1.0 - share))
            x_adv = self.threat_model.box(x + per_example(part, x) * change)
            x_adv = self.settled(x_adv, x)
            new_lead = lead(logits_fn(x_adv))
            best, fooled = self.keep(tuple(best), x_adv, x, new_lead)
            low, high = ops.where(fooled, low, part), ops.where(fooled, part, high)
            low_lead = ops.where(fooled, low_lead, new_lead)
            high_lead = ops.where(fooled, new_lead, high_lead)
            return (low, low_lead, high, high_lead, *best)

        first, last = lead(lead.logits), lead(logits_fn(x + change))
        state = (ops.zeros_like(first), first, ops.ones_like(last), last, *best)
        return backend.loop(_REFINEMENTS, step, state)[4:]

    def polished(self, x, lead, boundary, last, best):
        """`best` after steps that project x itself on the boundary linearized last.

        Args:
            x: clean inputs (B, ...).
            lead: the `SureLead` of x.
            boundary: x -> (value (B,), gradient, logits) of the function that is 0 on
                the boundary and above 0 beyond it.
            last: where to begin if nothing was found.
            best: (x_adv, distance).

        Returns:
            (last, best).
        """

        def step(_, state):
            x_adv, *best = state
            value, gradient, logits = boundary(x_adv)
            best, _ = self.keep(tuple(best), x_adv, x, lead(logits))
            value = value - inner(gradient, x_adv - x)
            value = value * _FAR_SIDE - 2.0 * lead.rounding
            move = shortest_move(self.threat_model, x, value, gradient)
            return (self.settled(self.threat_model.box(x + move), x), *best)

        start = best_or_last(best, last, x)[0]
        last, *best = backend.loop(_POLISH, step, (start, *best))
        best, _ = self.keep(tuple(best), last, x, lead(boundary(last)[2]))
        return last, best

    def keep(self, best, x_adv, x, lead):
        """(best, fooled): `best`, or x_adv where it is fooled and closer to x."""
        distance, fooled = relative_distance(self.threat_model, x_adv, x), lead > 0
        return keep_fooled(best, x_adv, distance, fooled), fooled

    def start(self, x, keys, number, exact: int):
        """x for the first `exact` runs, a random point near x for the others."""
        half = self.threat_model.scaled(0.5)
        point = half.sample(x, noise.fold(keys, number))
        return ops.where(number < exact, x, point)

    def _limit(self):
        return ops.max(self.threat_model.radius) * (1.0 + _SLACK)


class SureLead:
    """Logits (B, C) -> by how much a wrong class leads beyond rounding, (B,) float32.

    Above 0 the example is fooled. The rounding of a net depends on its batch and its
    program, and the closest point lies where rounding would decide.

    Args:
        logits_fn, x, targets: as of an attack; one gradient is taken at x.

    Attributes:
        logits: of x, (B, C) float32.
        rounding: the lead that does not count, (B,): a share of the largest logit of x
            and of sum |gradient * x|, which the rounding of x alone may move.
    """

    def __init__(self, logits_fn, x, targets):
        def lead(x):
            logits = ops.cast(logits_fn(x), "float32")
            return Margin(kappa=None)(targets, logits), logits

        self._targets = targets
        gradient, _, self.logits = backend.input_gradient(lead, x)
        moved = inner(ops.abs(ops.nan_to_num(gradient)), ops.abs(x))
        largest = ops.max(ops.abs(self.logits), axis=-1)
        self.rounding = _SURE * (largest + moved)

    def __call__(self, logits):
        lead = Margin(kappa=None)(self._targets, ops.cast(logits, "float32"))
        defined = ops.logical_not(ops.any(ops.isnan(logits), axis=-1))
        return ops.where(defined, lead - self.rounding, float("inf"))


def inner(first, second):
    """Inner product per example, (B,)."""
    return ops.sum(first * second, axis=tuple(range(1, len(first.shape))))


def dual_norm(threat_model, gradient):
    """How much a step of length 1 can change a linear function, (B,); above 0."""
    steepest = relative_radius(threat_model) * threat_model.steepest(gradient)
    return ops.maximum(inner(gradient, steepest), 1e-37)


def keep_closer(first, second):
    """The closer of two (x_adv, distance) per example; the first of equals."""
    better = second[1] < first[1]
    x_adv = ops.where(per_example(better, first[0]), second[0], first[0])
    return x_adv, ops.where(better, second[1], first[1])


def keep_fooled(best, x_adv, distance, fooled):
    """`best` (x_adv, distance), or the new point where it is fooled and closer."""
    return keep_closer(best, (x_adv, ops.where(fooled, distance, float("inf"))))


def best_or_last(best, last, x):
    """(x_adv, distance): `last` where nothing was found; NaN in it becomes x."""
    last = ops.where(ops.isfinite(last), last, x)
    found = ops.isfinite(best[1])
    return ops.where(per_example(found, x), best[0], last), best[1]
