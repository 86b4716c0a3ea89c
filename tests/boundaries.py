"""Exact distances to decision boundaries inside a box, in float64 NumPy and by LPs."""

import itertools

import numpy as np


def shortest_change(x, slope, value, low, high, norm):
    """The smallest change of x (d,) with value + slope @ change = 0, by sorting.

    Args:
        norm: "Linf" or "L2".

    Returns:
        (change, feasible); without a solution in the box: the best corner.
    """
    way = -np.sign(value) * np.sign(slope)
    room = np.where(way > 0, high - x, x - low) * (way != 0)
    pace = np.abs(way) if norm == "Linf" else np.abs(slope)
    moving = np.flatnonzero(pace > 0)
    needed = abs(value)
    order = moving[np.argsort(room[moving] / pace[moving])]
    size, spent = np.abs(slope), 0.0
    for position, index in enumerate(order):
        rate = np.sum(size[order[position:]] * pace[order[position:]])
        reach = (needed - spent) / rate
        if reach <= room[index] / pace[index]:
            return way * np.minimum(reach * pace, room), True
        spent += size[index] * room[index]
    return way * room, bool(needed <= 0)


def length(change, norm):
    """Norm of a change (d,)."""
    return np.abs(change).max() if norm == "Linf" else np.linalg.norm(change)


def linf_by_linear_program(x, slopes, values, low, high):
    """Smallest Linf change with values + slopes @ change >= 0 for all rows, or inf."""
    from scipy.optimize import linprog

    d = len(x)
    eye, ones = np.eye(d), np.ones((d, 1))
    rows = np.vstack(
        [
            np.hstack([eye, -ones]),
            np.hstack([-eye, -ones]),
            np.hstack([-np.atleast_2d(slopes), np.zeros((len(values), 1))]),
        ]
    )
    limits = np.concatenate([np.zeros(2 * d), values])
    box = [*zip(low - x, high - x, strict=True), (0, None)]
    solved = linprog([0.0] * d + [1.0], A_ub=rows, b_ub=limits, bounds=box)
    return solved.fun if solved.status == 0 else np.inf


def l2_by_enumeration(x, slope, value, low, high):
    """Smallest L2 change with value + slope @ change = 0: all sets of full features."""
    best = np.inf
    ends = [(low[i] - x[i], high[i] - x[i], None) for i in range(len(x))]
    for chosen in itertools.product(*ends):
        fixed = np.array([0.0 if end is None else end for end in chosen])
        free = np.array([end is None for end in chosen]) & (slope != 0)
        left = value + slope @ fixed
        if free.any():
            fixed = fixed - np.where(free, slope, 0) * left / np.sum(slope[free] ** 2)
        elif abs(left) > 1e-12:
            continue
        inside = np.all(fixed >= low - x - 1e-12) and np.all(fixed <= high - x + 1e-12)
        if inside:
            best = min(best, np.linalg.norm(fixed))
    return best


def linear_distances(x, y, weights, bias, low, high, norm, mutable=True):
    """Exact distance of each x (B, d) to the nearest wrong class of x @ weights + bias.

    0 where x is misclassified, infinity where the box holds no wrong class.
    """
    found = []
    low, high = np.broadcast_to(low, x.shape[1:]), np.broadcast_to(high, x.shape[1:])
    for point, label in zip(np.asarray(x, "float64"), y, strict=True):
        logits = point @ weights + bias
        best = 0.0 if np.argmax(logits) != label else np.inf
        for wrong in range(len(bias)):
            if wrong != label and best > 0:
                slope = (weights[:, wrong] - weights[:, label]) * mutable
                value = logits[wrong] - logits[label]
                change, feasible = shortest_change(point, slope, value, low, high, norm)
                best = min(best, length(change, norm) if feasible else np.inf)
        found.append(best)
    return np.array(found)


def relu_distance(x, label, first, first_bias, second, second_bias):
    """Exact Linf distance in [0, 1]^d to a wrong class of a net with one hidden layer.

    One linear program per activation pattern and wrong class.
    """
    best, (_, units) = np.inf, first.shape
    low, high = np.zeros(len(x)), np.ones(len(x))
    before = x @ first + first_bias
    for pattern in itertools.product((False, True), repeat=units):
        signs = np.where(pattern, 1.0, -1.0)
        slope = (first * np.array(pattern)) @ second
        logits = (before * np.array(pattern)) @ second + second_bias
        for wrong in range(len(second_bias)):
            if wrong != label:
                rows = np.vstack([(first * signs).T, slope[:, wrong] - slope[:, label]])
                values = np.append(before * signs, logits[wrong] - logits[label])
                program = linf_by_linear_program(x, rows, values, low, high)
                best = min(best, program)
    return best
