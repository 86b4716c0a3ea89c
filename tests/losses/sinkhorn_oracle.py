"""Sinkhorn's iterations in float64 with loops, as methods.md writes them."""

import math

import numpy as np

from tests.oracles import normalized


def cosine_costs(first, second):
    """max(0, 1 - cosine), (B, M)."""
    return np.array(
        [
            [max(0.0, 1.0 - float(normalized(a) @ normalized(b))) for b in second]
            for a in first
        ]
    )


def plan(costs, regularization=0.01, iterations=100, tolerance=0.1):
    """(T (B, M), iterations that were made): potentials by turns, rows first."""
    rows, columns = np.shape(costs)
    u, v = [0.0] * rows, [0.0] * columns

    def mass(i, j):
        return math.exp((u[i] + v[j] - costs[i][j]) / regularization)

    made = 0
    while made < iterations:
        made += 1
        before = list(u)
        for i in range(rows):
            total = sum(mass(i, j) for j in range(columns)) + 1e-6
            u[i] += regularization * (math.log(1 / rows) - math.log(total))
        for j in range(columns):
            total = sum(mass(i, j) for i in range(rows)) + 1e-6
            v[j] += regularization * (math.log(1 / columns) - math.log(total))
        if sum(abs(new - old) for new, old in zip(u, before, strict=True)) < tolerance:
            break
    return np.array([[mass(i, j) for j in range(columns)] for i in range(rows)]), made


def cost(first, second, **settings):
    """<T, C> of two batches."""
    costs = cosine_costs(first, second)
    return float(np.sum(plan(costs, **settings)[0] * costs))
