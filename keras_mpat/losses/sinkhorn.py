"""Optimal transport between two batches, by Sinkhorn's iterations on logarithms.

    costs = cosine_costs(clean, perturbed)   # (B, M), 0 … 2
    plan = sinkhorn(costs)                   # (B, M), sums to 1
    transport_costs(clean, perturbed)        # (M,), their sum is <plan, costs>

Shapes: B and M examples, D features. Everything is computed in float32.

References:
    Cuturi, "Sinkhorn Distances", arXiv:1306.0895; Zhang and Wang, "Defense against
    Adversarial Attacks Using Feature Scattering", arXiv:1907.10764, equations 4 to 6.
    Regularization, iterations, tolerance and the 1e-6 in the logarithm are those of the
    published code of the latter.
"""

import math

from keras import ops

from keras_mpat import backend
from keras_mpat.configurable import check_count, check_not_negative, check_positive
from keras_mpat.losses.directions import unit

_FLOOR = math.log(1e-6)  # of a sum of exponentials, so that its logarithm is finite
_SHORT = 1e-12  # a vector without direction, see `directions.unit`


def cosine_costs(first, second):
    """max(0, 1 - cosine) of each pair, (B, M).

    Any length from 1e-12 to the largest float32 has a direction; shorter vectors have
    cosine 0 with everything, and no gradient.

    Args:
        first: (B, D).
        second: (M, D).
    """
    cosines = ops.matmul(_direction(first), ops.transpose(_direction(second)))
    return ops.relu(1.0 - cosines)


def sinkhorn(costs, *, regularization=0.01, iterations=100, tolerance=0.1):
    """The transport plan of these costs between uniform marginals.

    It solves min <T, costs> - regularization * entropy(T), in part: it stops as soon as
    the row potentials move by less than `tolerance` in all. Columns then sum to
    1/M up to 1e-6, rows only nearly to 1/B. Gradients pass through all iterations.

    Args:
        costs: (B, M), >= 0.
        regularization: in units of the costs, > 0. Smaller: nearer to the cheapest
            plan, and slower.
        iterations: at most so many, >= 1.
        tolerance: sum over the rows of how far an iteration moves their potentials, in
            units of the costs; >= 0, and 0 never stops early.

    Returns:
        T, (B, M), > 0.

    Raises:
        ValueError: a number out of range.
    """
    check_positive("regularization", regularization, "as the costs", "Usual is 0.01.")
    check_count("iterations", iterations, "The usual number is 100.")
    check_not_negative("tolerance", tolerance, "as the costs", "The usual is 0.1.")
    scaled = ops.cast(costs, "float32") / regularization
    rows, columns = ops.shape(scaled)[0], ops.shape(scaled)[1]
    by_row = -ops.log(ops.cast(rows, "float32"))  # logarithm of a row's mass
    by_column = -ops.log(ops.cast(columns, "float32"))

    enough = tolerance / regularization

    def step(_, state):
        # u and v are potentials over `regularization`.
        u, v, moved = state
        next_u = u + by_row - _log_sum(u[:, None] + v - scaled, axis=1)
        next_v = v + by_column - _log_sum(next_u[:, None] + v - scaled, axis=0)
        goes_on = moved >= enough  # where the loop cannot end early, it stands still
        u_change = ops.where(goes_on, next_u - u, 0.0)
        v_change = ops.where(goes_on, next_v - v, 0.0)
        change = ops.sum(ops.abs(ops.stop_gradient(next_u - u)))
        return u + u_change, v + v_change, ops.where(goes_on, change, moved)

    start = (
        ops.zeros_like(scaled[:, 0]),
        ops.zeros_like(scaled[0]),
        ops.convert_to_tensor(float("inf"), "float32"),
    )
    u, v, _ = backend.loop(
        iterations, step, start, lambda state: state[2] < enough, differentiable=True
    )
    return ops.exp(u[:, None] + v - scaled)


def transport_costs(first, second, **settings):
    """What each example of the second batch costs to be reached from the first, (M,).

    The sum is the transport cost <T, C> with cosine costs; the second batch has the
    gradient of that sum through costs and plan.

    Args:
        first: (B, D).
        second: (M, D).
        settings: of `sinkhorn`.
    """
    costs = cosine_costs(first, second)
    return ops.sum(sinkhorn(costs, **settings) * costs, axis=0)


def _log_sum(values, axis):
    """log(sum of exp(values) + 1e-6), for values of any size."""
    return ops.logaddexp(ops.logsumexp(values, axis=axis), _FLOOR)


def _direction(vectors):
    vectors = ops.cast(vectors, "float32")
    size = ops.stop_gradient(ops.max(ops.abs(vectors), axis=-1, keepdims=True))
    return unit(vectors / ops.where(size > _SHORT, size, 1.0))  # no square overflows
