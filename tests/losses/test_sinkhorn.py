"""Sinkhorn: published values, a slow oracle, exact transport, gradients."""

import numpy as np
import pytest
from keras import ops

from keras_mpat import backend
from keras_mpat.losses.sinkhorn import cosine_costs, sinkhorn, transport_costs
from tests.losses import sinkhorn_oracle as oracle
from tests.losses.gradients import gradient_of
from tests.oracles import finite_differences

EXACT = {"regularization": 0.05, "iterations": 200, "tolerance": 0.0}


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def plan_of(costs, **settings):
    """The plan, compiled: an eager loop of TensorFlow is slow."""
    run = backend.function(lambda tensor: sinkhorn(tensor, **settings))
    return numpy(run(ops.convert_to_tensor(costs, "float32")))


def batches(size=6, features=3, seed=0, spread=0.8):
    """Two batches that lie near each other."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(size, features))
    return first, first + spread * rng.normal(size=(size, features))


def total(first, second, **settings):
    return float(ops.sum(transport_costs(first, second, **settings)))


@pytest.mark.parametrize(
    ("costs", "plan", "cost"),
    [
        ([[0, 1], [1, 0]], [[0.499999, 0], [0, 0.499999]], 0.0),
        ([[0.3, 0.3], [0.3, 0.3]], np.full((2, 2), 0.25 * (1 - 2e-6)), 0.2999994),
        (
            [[0.1, 0.12], [0.12, 0.1]],
            [[0.44039766, 0.05960134], [0.05960134, 0.44039766]],
            0.10238385,
        ),
    ],
    ids=["apart", "equal", "near"],
)
def test_published_plans(costs, plan, cost):
    found = numpy(sinkhorn(np.array(costs)))
    np.testing.assert_allclose(found, plan, atol=1e-6)
    assert np.sum(found * costs) == pytest.approx(cost, abs=2e-6)


def test_published_cosines():
    first, second = np.eye(2), np.array([[1.0, 1], [0, 1]])
    expected = [[0.29289322, 1], [0.29289322, 0]]
    np.testing.assert_allclose(numpy(cosine_costs(first, second)), expected, atol=1e-6)
    assert total(first, second) == pytest.approx(0.14644632, abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "made"),
    [
        ({}, 3),
        ({"tolerance": 1e-2}, 17),
        ({"tolerance": 0.0, "iterations": 30}, 30),
        ({"iterations": 2}, 2),
        ({"regularization": 0.5}, 4),
    ],
    ids=["published", "longer", "never", "two", "blurred"],
)
def test_stops_where_the_oracle_does(settings, made):
    costs = oracle.cosine_costs(*batches(seed=1))
    expected, count = oracle.plan(costs, **settings)
    assert count == made
    found = plan_of(costs, **settings)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-6)
    for other in {count - 1, min(count + 1, 30)} - {count}:  # it stops nowhere else
        forced = {**settings, "iterations": other, "tolerance": 0.0}
        near, _ = oracle.plan(costs, **forced)
        assert not np.allclose(near, found, rtol=2e-3, atol=1e-6)


def test_eager_and_compiled_agree():
    costs = oracle.cosine_costs(*batches(seed=1))
    eager = numpy(sinkhorn(costs, tolerance=1e-2))
    np.testing.assert_allclose(plan_of(costs, tolerance=1e-2), eager, rtol=1e-3)


def test_marginals_and_symmetry():
    first, second = batches(8)
    costs = numpy(cosine_costs(first, second))[:, :5]  # batches of different sizes
    plan = plan_of(costs, **EXACT)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 5, rtol=1e-4)
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 8, rtol=1e-4)
    mirrored = plan_of(costs.T, **EXACT)
    np.testing.assert_allclose(mirrored.T, plan, rtol=1e-3, atol=1e-6)
    short = numpy(sinkhorn(costs))  # stopped early: columns exact, rows near
    np.testing.assert_allclose(short.sum(axis=0), 1 / 5, rtol=1e-4)
    assert np.abs(short.sum(axis=1) - 1 / 8).max() > 1e-3


def test_equal_batches_cost_nothing_and_pull_nowhere():
    first, second = 3 * np.eye(4) + 0.1, batches(4, 4)[1]
    assert total(first, first) == pytest.approx(0, abs=1e-6)
    still = gradient_of(lambda z: transport_costs(first, z), first)
    moved = gradient_of(lambda z: transport_costs(first, z), second)
    assert np.abs(still).max() < 1e-5 < 0.01 < np.abs(moved).max()
    order = np.random.default_rng(5).permutation(4)  # a batch is a set
    np.testing.assert_allclose(
        total(first[order], second), total(first, second), rtol=1e-4
    )


def test_small_regularization_is_nearly_exact_transport():
    optimize = pytest.importorskip("scipy.optimize", reason="needs scipy")
    costs = oracle.cosine_costs(*batches(7, seed=3))
    rows, columns = costs.shape
    sums = [np.kron(np.eye(rows), np.ones(columns))]
    sums.append(np.kron(np.ones(rows), np.eye(columns)))
    masses = np.r_[np.full(rows, 1 / rows), np.full(columns, 1 / columns)]
    exact = optimize.linprog(costs.ravel(), A_eq=np.vstack(sums), b_eq=masses).fun
    found = {}
    for regularization in (0.1, 0.01):
        plan = plan_of(
            costs, regularization=regularization, iterations=400, tolerance=0.0
        )
        found[regularization] = float(np.sum(plan * costs))
    assert exact > 0.05
    assert found[0.01] == pytest.approx(exact, abs=2e-3)
    assert found[0.1] > exact + 0.03


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_gradient_passes_through_the_plan(compiled):
    first, second = batches(5, seed=1)

    def costs(z):
        return transport_costs(first, z)

    costs = backend.function(costs) if compiled else costs
    found = gradient_of(costs, second)
    expected = finite_differences(lambda z: oracle.cost(first, z), second)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    fixed = oracle.plan(oracle.cosine_costs(first, second))[0]
    held = finite_differences(
        lambda z: np.sum(fixed * oracle.cosine_costs(first, z)), second
    )
    assert np.abs(held - expected).max() > 1e-3


@pytest.mark.parametrize("size", [1e-30, 1e-9, 1e9, 1e30])
def test_only_directions_count_at_every_size(size):
    first, second = batches()
    expected = total(first, second) if size > 1e-12 else total(first, 0 * second)
    found = total(first, size * second)
    assert found == pytest.approx(expected, rel=1e-4)
    gradient = gradient_of(lambda z: transport_costs(first, z), size * second)
    assert np.all(np.isfinite(gradient))


def test_opposite_batches_and_half_precision_stay_finite():
    far = np.array([[6e4, 0], [0, 6e4]])
    for dtype in ("float16", "float32"):
        gradient = gradient_of(lambda z: transport_costs(-far, z), far, dtype)
        assert np.all(np.isfinite(gradient))
    plan = numpy(sinkhorn(np.array([[2.0, 2], [2, 2e6]])))
    assert np.all(np.isfinite(plan)) and plan.sum() == pytest.approx(1, rel=0.1)
