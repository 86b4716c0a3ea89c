"""APGD in float64 NumPy, one example at a time, with loops, from the published rules.

The net is logits = second @ tanh(first @ x + bias), its gradients are written by hand.
"""

import math

import numpy as np


def net(features=12, hidden=16, classes=5, seed=0):
    """(first, bias, second) of a small net."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(hidden, features))
    return first, rng.normal(size=hidden), rng.normal(size=(classes, hidden)) * 0.7


def logits(weights, x):
    """Of one example."""
    first, bias, second = weights
    return second @ np.tanh(first @ x + bias)


def _unit_logit(count, index):
    return np.eye(count)[index]


def cross_entropy(z, y):
    """Value, and gradient with respect to the logits."""
    p = np.exp(z - z.max())
    p = p / p.sum()
    return -math.log(p[y]), p - _unit_logit(len(z), y)


def margin(z, y):
    """The lead of the best wrong class, and its gradient."""
    other = max((j for j in range(len(z)) if j != y), key=lambda j: z[j])
    slope = _unit_logit(len(z), other) - _unit_logit(len(z), y)
    return z[other] - z[y], slope


def dlr(z, y):
    """Difference of logits ratio, and its gradient."""
    lead, slope = margin(z, y)
    order = np.argsort(-z, kind="stable")
    spread = z[order[0]] - z[order[2]] + 1e-12
    of_spread = _unit_logit(len(z), order[0]) - _unit_logit(len(z), order[2])
    return lead / spread, slope / spread - lead / spread**2 * of_spread


def dlr_toward(z, y, t):
    """The form that aims at class t, and its gradient."""
    eye, order = np.eye(len(z)), np.argsort(-z, kind="stable")
    spread = z[order[0]] - (z[order[2]] + z[order[3]]) / 2 + 1e-12
    of_spread = eye[order[0]] - (eye[order[2]] + eye[order[3]]) / 2
    lead = z[t] - z[y]
    return lead / spread, (eye[t] - eye[y]) / spread - lead / spread**2 * of_spread


def _evaluate(weights, objective, x, y):
    """(objective, its gradient with respect to x, misclassified, lead)."""
    first, bias, second = weights
    hidden = np.tanh(first @ x + bias)
    z = second @ hidden
    value, slope = objective(z, y)
    gradient = first.T @ ((second.T @ slope) * (1 - hidden**2))
    return value, gradient, int(np.argmax(z)) != y, margin(z, y)[0]


def _project(v, x, epsilon, norm):
    if norm == "linf":
        return np.clip(np.clip(v, x - epsilon, x + epsilon), 0, 1)
    change = v - x
    length = np.linalg.norm(change)
    return np.clip(x + change / (length + 1e-12) * min(epsilon, length), 0, 1)


def _direction(gradient, norm):
    if norm == "linf":
        return np.sign(gradient)
    return gradient / (np.linalg.norm(gradient) + 1e-12)


def _gaps(steps):
    gap = max(22 * steps // 100, 1)
    while True:
        yield gap
        gap = max(gap - max(3 * steps // 100, 1), max(6 * steps // 100, 1))


def apgd(weights, objective, x, y, start, *, epsilon, norm, steps, compat):
    """One run of one example; with `compat` it goes on when it is fooled.

    Returns:
        (points, values, sizes, answer): the points from which each step starts, the
        objectives x^0 ... x^steps, the step sizes after each step, and what the run
        returns.
    """
    point, before, eta = start, start, 2 * epsilon
    value, gradient, wrong, lead = _evaluate(weights, objective, start, y)
    best = (value, start, gradient)
    fooled = [(lead, start)] if wrong else []
    points, values, sizes = [start], [value], []
    gaps = _gaps(steps)
    gap, since, was_halved, best_before = next(gaps), 0, True, value
    for i in range(steps):
        a = 1.0 if i == 0 else 0.75
        v = _project(point + eta * _direction(gradient, norm), x, epsilon, norm)
        moved = point + a * (v - point) + (1 - a) * (point - before)
        moved = _project(moved, x, epsilon, norm)
        value, gradient, wrong, lead = _evaluate(weights, objective, moved, y)
        values.append(value)
        if fooled and not compat and not (wrong and lead > fooled[-1][0]):
            break
        if wrong:
            fooled.append((lead, moved))
        if value > best[0]:
            best = (value, moved, gradient)
        before, point = point, moved
        since += 1
        if since == gap:
            earlier = values[-gap - 1 : -1]
            if compat and i + 1 == gap:
                earlier = [0.0, *earlier[1:]]
            rises = sum(b > a for a, b in zip(earlier, values[-gap:], strict=True))
            stuck = not was_halved and best[0] == best_before
            was_halved = rises <= 0.75 * gap or stuck
            best_before = best[0]
            if was_halved:
                eta /= 2
                point, gradient = best[1], best[2]
            gap, since = next(gaps), 0
        points.append(point)
        sizes.append(eta)
    answer = best[1]
    if fooled:
        answer = fooled[-1][1]
    return np.array(points), np.array(values), np.array(sizes), answer
