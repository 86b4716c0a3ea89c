"""FMN against exact distances, and its radius by hand."""

import numpy as np
import pytest
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks import FAB, FMN
from keras_mpat.threat_models import L2, Linf
from tests.balls import BOTH, to_numpy, to_tensor
from tests.boundaries import linear_distances
from tests.linear import problem


def _linear(num_classes):
    weights, bias, x, y = problem(num_classes)
    x, y = x[:24], y[:24].astype("int32")
    y[:2] = (y[:2] + 1) % num_classes  # misclassified from the start
    return (lambda x: ops.matmul(x, weights) + bias), x, y, weights, bias


def _closest(attack, logits_fn, x, y, seed=0):
    compiled = backend.function(lambda x, y, k: attack.closest(logits_fn, x, y, k))
    keys = noise.keys(seed, len(x))
    return tuple(map(to_numpy, compiled(to_tensor(x), ops.convert_to_tensor(y), keys)))


def _wrong(logits_fn, x, y):
    return np.argmax(to_numpy(logits_fn(to_tensor(x))), axis=-1) != y


@BOTH
@pytest.mark.parametrize(
    "num_classes", [4, *(pytest.param(c, marks=pytest.mark.slow) for c in (2, 3, 8))]
)
def test_distances_of_linear_models_are_exact(norm, num_classes):
    logits_fn, x, y, weights, bias = _linear(num_classes)
    exact = linear_distances(x, y, weights, bias, 0.0, 1.0, norm.__name__)
    attack = FMN(norm(0.1), steps=20, target_classes="all")
    x_adv, distance = _closest(attack, logits_fn, x, y)
    np.testing.assert_allclose(distance, exact, rtol=1e-4, atol=2e-6)
    found = np.isfinite(exact)
    assert np.all(_wrong(logits_fn, x_adv, y)[found])
    change = (x_adv - x)[found]
    lengths = np.abs(change).max(1) if norm is Linf else np.linalg.norm(change, axis=1)
    np.testing.assert_allclose(lengths, distance[found], rtol=1e-5, atol=1e-7)


@BOTH
def test_bounds_masks_and_radii_per_feature_are_part_of_the_distance(norm):
    logits_fn, x, y, weights, bias = _linear(3)
    low, high = np.full(10, -0.5, "float32"), np.full(10, 1.2, "float32")
    low[3], high[4] = 0.0, 1.0
    mutable = np.arange(10) % 4 != 0
    exact = linear_distances(
        x, y, weights, bias, low, high, norm.__name__, mutable=mutable
    )
    options = {"steps": 20, "target_classes": "all"}
    ball = norm(0.1, bounds=(low, high), mutable=mutable)
    x_adv, distance = _closest(FMN(ball, **options), logits_fn, x, y)
    np.testing.assert_allclose(distance, exact, rtol=1e-4, atol=2e-6)
    np.testing.assert_array_equal(x_adv[:, ~mutable], x[:, ~mutable])
    radius = np.where(mutable, 0.1, 0.0).astype("float32")
    per_feature = norm(radius, bounds=(low, high))
    _, same = _closest(FMN(per_feature, **options), logits_fn, x, y)
    np.testing.assert_allclose(same, exact, rtol=1e-4, atol=2e-6)


def _curved():
    """(logits_fn, x, y): a smooth net of five classes."""
    rng = np.random.default_rng(5)
    first = rng.normal(size=(10, 16)).astype("float32")
    second = rng.normal(size=(16, 5)).astype("float32")

    def logits_fn(x):
        return ops.matmul(ops.tanh(ops.matmul(x - 0.5, first)), second)

    x = rng.uniform(size=(24, 10)).astype("float32")
    return logits_fn, x, to_numpy(ops.argmax(logits_fn(to_tensor(x)), -1))


@pytest.mark.parametrize("norm", [L2, pytest.param(Linf, marks=pytest.mark.slow)])
def test_a_constant_and_a_factor_of_the_logits_change_no_distance(norm):
    logits_fn, x, y = _curved()
    attack = FMN(norm(0.1), steps=20)
    _, expected = _closest(attack, logits_fn, x, y)
    _, distance = _closest(attack, lambda x: 100.0 * logits_fn(x) + 50.0, x, y)
    np.testing.assert_allclose(distance, expected, rtol=1e-3)


@pytest.mark.parametrize("norm", [Linf, pytest.param(L2, marks=pytest.mark.slow)])
def test_on_a_curved_boundary_it_comes_as_close_as_fab(norm):
    logits_fn, x, y = _curved()
    ball = norm(0.1)
    _, expected = _closest(FAB(ball, steps=50, target_classes="all"), logits_fn, x, y)
    _, distance = _closest(FMN(ball, target_classes="all"), logits_fn, x, y)
    assert np.all(np.isfinite(distance))
    assert np.mean(distance / expected) < 1.01 and np.max(distance / expected) < 1.2
    _, untargeted = _closest(FMN(ball), logits_fn, x, y)
    assert np.all(distance <= untargeted * 1.05) and np.mean(untargeted) > 0


def test_radius_follows_the_paper_by_hand():
    # One feature; class 1 is left where 2 x - 2, steeper from 0.98 on, reaches 0.
    def logits_fn(x):
        steeper = ops.maximum(x - 0.98, 0.0)
        return ops.concatenate([2.0 * x - 2.0 + steeper, 0.0 * x], axis=-1)

    seen = []

    class Recorded(FMN):
        def _moved(self, x_adv, x, radius, length, gradient):
            seen.append((float(radius[0, 0]), float(length)))
            return super()._moved(x_adv, x, radius, length, gradient)

    attack = Recorded(L2(0.5, bounds=(-9, 9)), steps=4)
    x, y, keys = to_tensor([[0.0]]), np.array([1], "int32"), noise.keys(0, 1)
    x_adv, distance = attack.approach(logits_fn, x, y, keys, 0)
    # The linear estimate; fooled there, so smaller; not fooled: larger, twice.
    changes = [0.05, 0.03775, 0.01325, 0.001]
    radii = [1.0, 1 - changes[1]]
    radii += [radii[-1] * (1 + changes[2]), radii[-1] * (1 + changes[2]) * 1.001]
    np.testing.assert_allclose([row[0] for row in seen], radii, rtol=1e-6)
    lengths = [1.0, 0.7525, 0.2575, 0.01]
    np.testing.assert_allclose([row[1] for row in seen], lengths, rtol=1e-6)
    boundary = 0.98 + 0.04 / 3
    np.testing.assert_allclose(to_numpy(distance), [boundary], rtol=1e-4)
    assert to_numpy(x_adv)[0, 0] >= boundary


@BOTH
def test_flat_functions_give_infinity_and_finite_points(norm):
    x = np.array([[0.0, 0.5, 1.0], [0.5, 0.0, 0.2]], "float32")
    y = np.array([0, 0], "int32")

    def constant(x):
        return 0.0 * x + np.array([2.0, 0.0, 0.0], "float32")

    def steep(x):  # its slope at 0 is infinite
        return ops.sqrt(x * 0.0) + np.array([2.0, 0.0, 0.0], "float32")

    for logits_fn in (constant, steep):
        x_adv, distance = _closest(FMN(norm(0.1), steps=3), logits_fn, x, y)
        np.testing.assert_array_equal(distance, [np.inf, np.inf])
        assert np.all(np.isfinite(x_adv))


@BOTH
def test_restarts_begin_elsewhere_and_epsilon_zero_returns_the_input(norm):
    logits_fn, x, y = _curved()
    attack, keys = FMN(norm(0.2), steps=3, restarts=2), noise.keys(0, len(x))
    assert attack.runs(5) == 2 and FMN(norm(0.2), target_classes=9).runs(5) == 4

    def point(number, keys):
        return to_numpy(attack.approach(logits_fn, to_tensor(x), y, keys, number)[0])

    other = noise.keys(1, len(x))
    np.testing.assert_array_equal(point(0, keys), point(0, other))
    assert not np.array_equal(point(1, keys), point(1, other))
    for ball in (norm(0.0), norm(np.zeros(10))):
        zero = FMN(ball, steps=2, restarts=2)
        result = zero.run(logits_fn, to_tensor(x), y, keys, 1)
        np.testing.assert_array_equal(to_numpy(result), x)
