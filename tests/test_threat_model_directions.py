"""Threat models: random points of the ball and steepest directions."""

import numpy as np
import pytest

from keras_mpat import noise
from keras_mpat.threat_models import L2, Linf, ThreatModel
from tests.balls import BOTH, images, to_numpy, to_tensor

# Sampling


def _samples(ball, shape, count=4000, seed=0):
    x = np.full((count, *shape), 0.5, "float32")
    return to_numpy(ball.sample(to_tensor(x), noise.keys(seed, count))) - x


def test_linf_samples_are_uniform_per_pixel():
    change = _samples(Linf(0.2), (2, 3))
    assert np.abs(change).max() <= 0.2 + 1e-6
    variance = 0.2**2 / 3
    assert np.all(np.abs(change.mean(0)) < 5 * np.sqrt(variance / 4000))
    assert np.all(np.abs(change.var(0) / variance - 1) < 5 * np.sqrt(0.8 / 4000))


def _distance_to_uniform(numbers):
    numbers = np.sort(numbers)
    steps = np.arange(len(numbers) + 1) / len(numbers)
    return max((steps[1:] - numbers).max(), (numbers - steps[:-1]).max())


@pytest.mark.parametrize(
    ("epsilon", "mutable", "dimension"),
    [
        (0.2, None, 6),
        (0.2, np.array([[True, False, True], [False, False, True]]), 3),
        (np.array([[0.2, 0.1, 0.2], [0.05, 0.2, 0.3]], "float32"), None, 6),
        (np.array([[0.2, 0.0, 0.2], [0.0, 0.0, 0.3]], "float32"), None, 3),
    ],
    ids=["scalar", "masked", "per feature", "radius zero"],
)
def test_l2_samples_are_uniform_in_the_ball(epsilon, mutable, dimension):
    change = _samples(L2(epsilon, mutable=mutable), (2, 3))
    free = np.broadcast_to(epsilon, (2, 3)) > 0
    free = free if mutable is None else free & mutable
    assert np.all(change[:, ~free] == 0)
    unit = change[:, free] / np.broadcast_to(epsilon, (2, 3))[free]
    radius = np.linalg.norm(unit, axis=-1)
    assert radius.max() <= 1 + 1e-5
    # The share of the ball's volume below the radius is uniform: Kolmogorov's bound.
    assert _distance_to_uniform(radius**dimension) < 2.0 / np.sqrt(4000)
    variance = 1 / (dimension + 2)
    assert np.all(np.abs(unit.mean(0)) < 5 * np.sqrt(variance / 4000))
    assert np.all(np.abs(unit.var(0) / variance - 1) < 0.15)


@BOTH
def test_samples_at_the_edge_of_the_box_stay_inside(norm):
    x = images(50)
    x[:25], x[25:] = 0.0, 1.0
    result = to_numpy(norm(0.4).sample(to_tensor(x), noise.keys(1, 50)))
    assert result.min() >= 0 and result.max() <= 1
    assert result[:25].max() > 0.05 and result[25:].min() < 0.95


@BOTH
def test_samples_depend_on_the_key_of_the_example_only(norm):
    x, keys = images(5), noise.keys(2, 5)
    together = to_numpy(norm(0.1).sample(to_tensor(x), keys))
    alone = to_numpy(norm(0.1).sample(to_tensor(x[3:4]), keys[3:4]))
    np.testing.assert_allclose(alone[0], together[3], atol=1e-7)
    assert not np.allclose(
        to_numpy(norm(0.1).sample(to_tensor(x), noise.keys(3, 5))), x
    )


# Points of the surface


@BOTH
@pytest.mark.parametrize(
    ("epsilon", "mutable"),
    [
        (0.2, None),
        (0.2, np.array([[True, False, True], [False, False, True]])),
        (np.array([[0.2, 0.1, 0.2], [0.0, 0.2, 0.3]], "float32"), None),
        (0.0, None),
    ],
    ids=["scalar", "masked", "per feature", "epsilon zero"],
)
def test_points_of_the_surface_are_as_far_as_allowed(norm, epsilon, mutable):
    ball = norm(epsilon, mutable=mutable)
    x = np.full((500, 2, 3), 0.5, "float32")
    change = to_numpy(ball.surface(to_tensor(x), noise.keys(0, 500))) - x
    free = np.broadcast_to(epsilon, (2, 3)) > 0
    free = free if mutable is None else free & mutable
    assert np.all(change[:, ~free] == 0)
    if not free.any():
        return
    relative = np.abs(change[:, free]) / np.broadcast_to(epsilon, (2, 3))[free]
    size = relative.max(-1) if norm is Linf else np.linalg.norm(relative, axis=-1)
    np.testing.assert_allclose(size, 1.0, rtol=1e-5)
    spread = change[:, free].std(0) / np.broadcast_to(epsilon, (2, 3))[free]
    expected = 1 / np.sqrt(free.sum())
    assert np.all(np.abs(change[:, free].mean(0)) < 0.05)
    if norm is L2:
        np.testing.assert_allclose(spread, expected, rtol=0.15)
    else:
        assert np.all(spread > 0.5)


@BOTH
def test_surface_stays_in_the_box_and_follows_the_keys(norm):
    x = images(50)
    x[:25], x[25:] = 0.0, 1.0
    keys = noise.keys(1, 50)
    result = to_numpy(norm(0.4).surface(to_tensor(x), keys))
    assert result.min() >= 0 and result.max() <= 1
    assert result[:25].max() > 0.05 and result[25:].min() < 0.95
    alone = to_numpy(norm(0.4).surface(to_tensor(x[3:4]), keys[3:4]))
    np.testing.assert_allclose(alone[0], result[3], atol=1e-7)


def test_surface_of_an_own_threat_model_is_its_sample():
    class Corner(Linf):
        def sample(self, x, keys):
            return x + 0.1

        surface = ThreatModel.surface

    x = to_tensor(images())
    np.testing.assert_array_equal(
        to_numpy(Corner(0.1).surface(x, noise.keys(0, 6))), to_numpy(x + 0.1)
    )


# Steepest directions


def test_linf_steepest_is_the_sign_with_zero_for_zero():
    gradient = to_tensor([[3.0, -1e-30, 0.0]])
    assert to_numpy(Linf(0.1).steepest(gradient)).tolist() == [[1, -1, 0]]
    masked = Linf(0.1, mutable=[False, True, True]).steepest(gradient)
    assert to_numpy(masked).tolist() == [[0, -1, 0]]


@pytest.mark.parametrize("size", [1.0, 1e-12, 1e-30, 1e30])
def test_l2_steepest_is_the_unit_gradient_however_small(size):
    gradient = np.random.default_rng(3).normal(size=(5, 3, 4, 2))
    direction = to_numpy(L2(0.1).steepest(to_tensor(gradient * size)))
    norms = np.linalg.norm(gradient.reshape(5, -1), axis=-1)
    np.testing.assert_allclose(
        direction, gradient / norms.reshape(-1, 1, 1, 1), atol=1e-6
    )


@BOTH
def test_zero_gradient_gives_the_zero_direction(norm):
    gradient = np.zeros((2, 3, 4, 2))
    gradient[1] = 1.0
    direction = to_numpy(norm(0.1).steepest(to_tensor(gradient)))
    assert np.all(direction[0] == 0) and np.all(direction[1] > 0)


def test_l2_steepest_ignores_fixed_features_and_weighs_radii():
    gradient = to_tensor([[3.0, 4.0, 12.0]])
    masked = to_numpy(L2(0.1, mutable=[True, True, False]).steepest(gradient))
    np.testing.assert_allclose(masked, [[0.6, 0.8, 0.0]], atol=1e-6)
    # In the ellipsoid |change / radius| <= 1 the best change is
    # radius * unit(radius * gradient): the step, too, is in units of the radius.
    weighed = to_numpy(L2([0.4, 0.3, 0.0]).steepest(gradient))
    np.testing.assert_allclose(weighed, [[0.5**0.5, 0.5**0.5, 0.0]], atol=1e-6)
