"""The shortest way to a hyperplane inside the box, in the norm of a threat model.

To change a linear function by c, the cheapest change of Linf and of L2 moves feature
i by min(reach * u_i, room_i), where u is the steepest direction of the norm (1 per
feature for Linf, proportional to |w_i| for L2) and the room ends at the box. `reach`
solves

    sum_i |w_i| min(reach * u_i, room_i) = c.

The left side is concave and piecewise linear in `reach`. Newton's method from 0 stays
below the solution, is exact as soon as it knows which features run out of room, and
cuts (what is left of c) * (slope) at least fourfold per step: no sorting, no bracket.
"""

import numpy as np
from keras import ops

from keras_mpat import backend, norms

# Of 2 400 random problems with 784 features, even to heavy-tailed slopes, up to 99.99 %
# of what the box allows, Linf took 11 and L2 took 18 to the last digit of float32.
_NEWTON_STEPS = 20


def shortest_move(threat_model, x, value, gradient):
    """The shortest change of x that brings a linear function to 0 inside the box.

    Args:
        threat_model: `Linf` or `L2`: its norm, its box, its immovable features. With
            one epsilon per feature, lengths are relative to epsilon. Own norms whose
            best step under box limits is no clipped steepest direction (L1) get a
            step that is too long or falls short.
        x: points (B, ...) in the box.
        value: the function at x, (B,).
        gradient: its slope, (B, ...).

    Returns:
        Changes (B, ...), with x + change in the box. Where no point of the box has
        value 0: the way to the corner that comes nearest to it.
    """
    axes = tuple(range(1, len(x.shape)))
    size = ops.abs(gradient)
    largest = norms.largest(gradient)
    unit = ops.where(largest > 0, largest, 1.0)  # products of small slopes underflow
    size = size / unit
    value = ops.reshape(value, (-1,) + (1,) * len(axes)) / unit
    direction = -ops.sign(value) * relative_radius(threat_model)
    direction = direction * threat_model.steepest(gradient)
    pace, room = ops.abs(direction), _room(threat_model, x, direction)
    reach = _reach(size, pace, room, ops.abs(value))
    return ops.sign(direction) * ops.minimum(reach * pace, room)


def relative_radius(threat_model):
    """Epsilon per feature, relative to the largest: 1.0 for a ball of one epsilon."""
    radius = threat_model.radius
    return radius / _not_zero(ops.max(radius)) if np.ndim(radius) else 1.0


def relative_distance(threat_model, x_adv, x):
    """Norm of x_adv - x per example, (B,), in input units.

    With one epsilon per feature: the largest epsilon of the similar ball that just
    holds x_adv.
    """
    if not np.ndim(threat_model.radius):
        return threat_model.distance(x_adv, x)
    change = (x_adv - x) / _not_zero(relative_radius(threat_model))
    return threat_model.distance(change, ops.zeros_like(change))


def _room(threat_model, x, direction):
    """How far each feature can go; 0 where it does not move."""
    low, high = (np.asarray(bound, "float32") for bound in threat_model.bounds)
    room = ops.maximum(ops.where(direction > 0, high - x, x - low), 0.0)
    return ops.where(direction == 0, 0.0, room)


def _reach(size, pace, room, needed):
    """The solution (B, 1, ...) of the equation above; infinite if there is none."""
    axes = tuple(range(1, len(size.shape)))
    size, pace, room = (ops.stop_gradient(part) for part in (size, pace, room))
    needed = ops.stop_gradient(needed)
    full, slope = size * room, size * pace
    end = ops.where(pace > 0, room / _not_zero(pace), float("inf"))

    def total(chosen, terms):
        return ops.sum(ops.where(chosen, terms, 0.0), axis=axes, keepdims=True)

    def step(_, state):
        reach, _ = state
        spent = end <= reach
        left = needed - total(spent, full)
        rate = total(ops.logical_not(spent), slope)
        # Without any feature left, or by rounding, the old value is the best.
        new = ops.where(rate > 0, ops.maximum(reach, left / _not_zero(rate)), reach)
        return new, ops.any(new > reach)

    state = ops.zeros_like(needed), ops.any(needed >= 0)
    reach, _ = backend.loop(_NEWTON_STEPS, step, state, done=_settled)
    feasible = total(pace > 0, full) >= needed
    return ops.where(feasible, reach, 3e38)  # not inf: inf * 0 is NaN


def _settled(state):
    return ops.logical_not(state[1])


def _not_zero(x):
    return ops.where(x > 0, x, 1.0)
