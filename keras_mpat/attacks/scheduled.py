"""Ascent on a schedule of steps that is known before, with the best point kept.

What `MultiTargeted`, `MarginDecomposition` and `ConstraintRelaxation` share. They
differ in what they raise, where they start and how long their steps are.
"""

from collections.abc import Callable

import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.attacks.attack import Goal, keep_worse
from keras_mpat.threat_models import ThreatModel


def cosine(first: float, last: float, count: int) -> np.ndarray:
    """`count` numbers that go from `first` to `last` along half a cosine, float32."""
    angle = np.pi * np.arange(count) / max(count - 1, 1)
    return (last + (first - last) * (1 + np.cos(angle)) / 2).astype("float32")


def projected_steps(ball: ThreatModel, x, lengths: np.ndarray) -> Callable:
    """A `move` for `climb`: along the steepest direction, then back into the ball.

    Args:
        ball: the threat model.
        x: clean inputs (B, ...).
        lengths: of the steps, in radii of the ball.
    """

    def move(i, x_adv, gradient):
        size = ops.take(lengths, i) * ball.radius
        return ball.project(x_adv + size * ball.steepest(gradient), x)

    return move


def nothing_kept(x):
    """What `climb` keeps before it has seen a point: (x_adv, lead, fooled)."""
    flags = ops.zeros_like(ops.reshape(x, (ops.shape(x)[0], -1))[:, 0])
    return x, flags - float("inf"), flags > 0


def climb(goal: Goal, start, count: int, move: Callable, best: tuple, inside=None):
    """`count` steps from `start`; remembers the best point, `start` included.

    A fooled point beats one that is not; between equals the larger lead of the best
    wrong class wins, whatever `goal` raises.

    Args:
        goal: what is raised.
        start: (B, ...), in the ball.
        count: number of steps, >= 1.
        move: (i, x_adv, gradient) -> the next x_adv (B, ...).
        best: what was kept so far: `nothing_kept`, or the result of an earlier climb.
        inside: bool (count,): whether the point before step i may be kept. `None`: all.

    Returns:
        (last, best): the point after the last step, and (x_adv, lead, fooled), in which
        `last` does not take part yet: see `best_of`.
    """
    allowed = np.ones(count, "bool") if inside is None else np.asarray(inside)

    def step(i, state):
        x_adv, *seen = state
        gradient, _, logits = backend.input_gradient(goal, x_adv)
        lead = ops.where(ops.take(allowed, i), goal.lead(logits), -float("inf"))
        fooled = ops.logical_and(ops.take(allowed, i), goal.fooled(logits))
        seen = keep_worse(tuple(seen), (x_adv, lead, fooled))
        return (move(i, x_adv, ops.nan_to_num(gradient)), *seen)

    last, *seen = backend.loop(count, step, (start, *best))
    return last, tuple(seen)


def best_of(goal: Goal, last, best: tuple):
    """The best x_adv of a climb that ends at `last`."""
    _, logits = goal(last)
    score = last, goal.lead(logits), goal.fooled(logits)
    return keep_worse(best, score)[0]
