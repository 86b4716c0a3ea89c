"""Projections on a hyperplane inside the box, against sorting, LPs and enumeration."""

import numpy as np
import pytest
from keras import ops

from keras_mpat import backend
from keras_mpat.attacks.hyperplane import (
    relative_distance,
    relative_radius,
    shortest_move,
)
from keras_mpat.threat_models import L2, Linf
from tests.balls import to_numpy, to_tensor
from tests.boundaries import (
    l2_by_enumeration,
    length,
    linf_by_linear_program,
    shortest_change,
)

NORMS = pytest.mark.parametrize("norm", [Linf, L2])
BOXES = {
    "unit": (0.0, 1.0),
    "grey": (0.0, 255.0),
    "signed": (-3.0, 1.0),
    "per_feature": (np.linspace(-2, 0, 40), np.linspace(0.5, 4, 40)),
}


def _problems(low, high, count=60, d=40, seed=0):
    """x with features at the edges, slopes with zeros, values from near to too far."""
    rng = np.random.default_rng(seed)
    low, high = np.broadcast_to(low, d), np.broadcast_to(high, d)
    x = low + (high - low) * np.clip(rng.uniform(-0.2, 1.2, (count, d)), 0, 1)
    spread = rng.choice([0.0, 1.0, 3.0], size=(count, 1))  # from even to heavy-tailed
    slope = rng.normal(size=(count, d)) * np.exp(spread * rng.normal(size=(count, d)))
    slope[:, ::7] = 0.0
    way = rng.choice([-1.0, 1.0], size=count)
    moved = np.where(way[:, None] * slope > 0, low - x, high - x)
    most = np.abs(np.sum(slope * moved, axis=1))  # as far as the box reaches
    share = rng.choice([1e-3, 0.1, 0.5, 0.9, 1.2], size=count)
    return tuple(part.astype("float32") for part in (x, slope, way * share * most))


def _expected(x, slope, value, low, high, norm):
    rows = [
        shortest_change(*row, low, high, norm.__name__)
        for row in zip(*(np.float64(part) for part in (x, slope, value)), strict=True)
    ]
    changes, feasible = zip(*rows, strict=True)
    return np.array(changes), np.array(feasible)


@NORMS
@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES.keys())
def test_move_is_the_one_that_sorting_finds(norm, box):
    low, high = (np.broadcast_to(bound, 40).astype("float32") for bound in box)
    x, slope, value = _problems(low, high)
    expected, feasible = _expected(x, slope, value, low, high, norm)
    assert 10 < feasible.sum() < len(x)
    ball = norm(0.1, bounds=(low, high))
    move = to_numpy(shortest_move(ball, *map(to_tensor, (x, value, slope))))
    scale = (high - low).max()
    np.testing.assert_allclose(move, expected, atol=1e-5 * scale)
    assert np.all(x + move >= low - 1e-6 * scale)
    assert np.all(x + move <= high + 1e-6 * scale)
    reached = np.float64(value) + np.sum(np.float64(slope) * move, axis=1)
    slack = 1e-5 * scale * np.abs(slope).sum(1)
    assert np.all(np.abs(reached)[feasible] <= slack[feasible])


@NORMS
def test_move_is_the_same_in_a_graph_and_under_xla(norm):
    x, slope, value = map(to_tensor, _problems(0.0, 1.0))

    def move(x, value, slope):
        return shortest_move(norm(0.1), x, value, slope)

    eager = to_numpy(move(x, value, slope))
    for jit_compile in (False, True):
        compiled = backend.function(move, jit_compile=jit_compile)
        np.testing.assert_allclose(
            to_numpy(compiled(x, value, slope)), eager, atol=1e-5
        )


def test_sorting_agrees_with_linear_programs_and_enumeration():
    # The oracle itself, on few features.
    x, slope, value = (np.float64(p) for p in _problems(-1.0, 2.0, count=12, d=5))
    low, high = np.full(5, -1.0), np.full(5, 2.0)
    for point, row, start in zip(x, slope, value, strict=True):
        for norm in ("Linf", "L2"):
            change, feasible = shortest_change(point, row, start, low, high, norm)
            if norm == "Linf":
                signed = -np.sign(start)
                least = linf_by_linear_program(
                    point, signed * row[None], np.array([signed * start]), low, high
                )
            else:
                least = l2_by_enumeration(point, row, start, low, high)
            found = length(change, norm) if feasible else np.inf
            np.testing.assert_allclose(found, least, rtol=1e-6)


@NORMS
def test_value_zero_and_slope_zero_do_not_move(norm):
    x = np.full((3, 4), 0.5, "float32")
    slope = np.array([[1, 2, 3, 4], [0, 0, 0, 0], [0, 0, 0, 0]], "float32")
    value = np.array([0.0, 1.0, -1.0], "float32")
    move = shortest_move(norm(0.1), *map(to_tensor, (x, value, slope)))
    np.testing.assert_array_equal(to_numpy(move), np.zeros((3, 4)))


@NORMS
@pytest.mark.parametrize("factor", [1e-30, 1e-3, 1e3, 1e30])
def test_scale_of_the_function_does_not_matter(norm, factor):
    x, slope, value = _problems(0.0, 1.0)
    move = to_numpy(shortest_move(norm(0.1), *map(to_tensor, (x, value, slope))))
    slope, value = slope.astype("float64") * factor, value.astype("float64") * factor
    scaled = to_numpy(shortest_move(norm(0.1), *map(to_tensor, (x, value, slope))))
    np.testing.assert_allclose(scaled, move, atol=1e-4)


@NORMS
def test_immovable_features_have_no_room(norm):
    x, slope, value = _problems(0.0, 1.0)
    mutable = np.arange(40) % 3 != 0
    ball = norm(0.1, mutable=mutable)
    move = to_numpy(shortest_move(ball, *map(to_tensor, (x, value, slope))))
    expected, _ = _expected(x, slope * mutable, value, 0.0, 1.0, norm)
    np.testing.assert_array_equal(move[:, ~mutable], 0.0)
    np.testing.assert_allclose(move, expected, atol=1e-5)


@NORMS
def test_radius_per_feature_is_the_metric(norm):
    # In units of the radius, the ball is an ordinary one.
    radius = np.array([0.0, 0.05, 0.1, 0.2])[np.arange(40) % 4].astype("float32")
    ball, free = norm(radius), radius > 0
    x, slope, value = _problems(0.0, 1.0)
    move = to_numpy(shortest_move(ball, *map(to_tensor, (x, value, slope))))
    unit = radius[free] / 0.2
    expected, _ = _expected(
        x[:, free] / unit, slope[:, free] * unit, value, 0.0, 1 / unit, norm
    )
    np.testing.assert_array_equal(move[:, ~free], 0.0)
    np.testing.assert_allclose(move[:, free] / unit, expected, atol=1e-4)
    distance = to_numpy(relative_distance(ball, to_tensor(x + move), to_tensor(x)))
    lengths = [length(row, norm.__name__) for row in expected]
    np.testing.assert_allclose(distance, lengths, rtol=1e-3, atol=1e-5)


def test_distance_relative_to_epsilon():
    x = np.array([[0.5, 0.5]], "float32")
    moved = to_tensor(x + np.array([[0.03, 0.04]], "float32"))
    for ball, expected in (
        (L2(0.3), 0.05),
        (Linf(0.3), 0.04),
        (Linf([0.1, 0.4]), 0.12),
        (L2([0.3, 0.3]), 0.05),
        (L2([0.0, 0.0]), 0.05),  # a warm-up begins with a point: no division by 0
    ):
        distance = to_numpy(relative_distance(ball, moved, to_tensor(x)))
        np.testing.assert_allclose(distance, [expected], rtol=1e-5)
    assert relative_radius(Linf(0.3)) == 1.0
    widths = relative_radius(Linf(ops.convert_to_tensor([0.1, 0.4])))
    np.testing.assert_allclose(to_numpy(widths), [0.25, 1.0])
