"""APGD's step size: halved, per example, where the search no longer climbs.

Nothing here knows of images: it reads one sequence of objective values per example and
says at which checkpoints to halve the step and to go back to the best point.

References:
    Croce and Hein, arXiv:2003.01690, section 3 and algorithm 1.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

INITIAL = 2.0  # radii: the first step reaches across the ball


class AdaptiveStep(NamedTuple):
    """The step sizes of a batch and what decides on them; each (B,).

    Attributes:
        size: length of the next step, in radii of the ball.
        last: the objective at the last point.
        increases: steps since the last checkpoint that raised the objective.
        best: the highest objective so far.
        best_before: the highest objective at the last checkpoint.
        halved: whether the last checkpoint halved the step.
    """

    size: Any
    last: Any
    increases: Any
    best: Any
    best_before: Any
    halved: Any


def checkpoints(steps: int) -> list[int]:
    """After how many steps it is checked: 22, 41, 57, 70, 80, 87, 93, 99 of 100.

    The first gap is 22 % of the steps; each is 3 % shorter than the one before, but
    none shorter than 6 %, rounded down and at least one step.
    """
    gap, shorter, shortest = (max(share * steps // 100, 1) for share in (22, 3, 6))
    found, step = [], gap
    while step <= steps:
        found.append(step)
        gap = max(gap - shorter, shortest)
        step += gap
    return found


def limits(steps: int, rho: float) -> np.ndarray:
    """Up to how many increases are too few after step i = 0, 1, ...; -1: no checkpoint.

    Returns:
        int32 (steps,): floor(rho * steps since the last checkpoint).
    """
    table = np.full(steps, -1, "int32")
    ends = checkpoints(steps)
    for begin, end in zip([0, *ends], ends, strict=False):
        table[end - 1] = np.floor(rho * (end - begin))
    return table


def begin(values, *, first_from_zero: bool = False) -> AdaptiveStep:
    """The state before the first step.

    Args:
        values: the objective (B,) at the start.
        first_from_zero: the first step counts as an increase if it leads above 0,
            instead of above `values`.
    """
    return AdaptiveStep(
        size=ops.full_like(values, INITIAL),
        last=ops.zeros_like(values) if first_from_zero else values,
        increases=ops.zeros_like(values, dtype="int32"),
        best=values,
        best_before=values,
        # No halving for want of a new best value at the first checkpoint.
        halved=ops.ones_like(values, dtype="bool"),
    )


def update(state: AdaptiveStep, values, limit):
    """After a step to a point of objective `values` (B,).

    Args:
        state: the state before the step.
        values: (B,).
        limit: the entry of `limits` for this step, an int or a scalar tensor.

    Returns:
        (state, improved, restart): improved (B,) is where `values` are the best so far;
        where restart (B,), the step was halved and the search continues from the best
        point.
    """
    improved = values > state.best
    best = ops.where(improved, values, state.best)
    increases = state.increases + ops.cast(values > state.last, "int32")
    few = increases <= limit
    stuck = ops.logical_and(
        ops.logical_not(state.halved), ops.logical_not(best > state.best_before)
    )
    check = ops.greater_equal(limit, 0)
    restart = ops.logical_and(check, ops.logical_or(few, stuck))
    state = AdaptiveStep(
        size=ops.where(restart, state.size / 2, state.size),
        last=values,
        increases=ops.where(check, 0, increases),
        best=best,
        best_before=ops.where(check, best, state.best_before),
        halved=ops.where(check, restart, state.halved),
    )
    return state, improved, restart
