"""Threat models: units, messages, projection, sampling, steepest directions."""

import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import noise
from keras_mpat.threat_models import L2, Linf

BOTH = pytest.mark.parametrize("norm", [Linf, L2])


def _numpy(tensor):
    return ops.convert_to_numpy(tensor)


def _tensor(array):
    return ops.convert_to_tensor(np.asarray(array, "float32"))


def _images(count=6, shape=(3, 4, 2), seed=0):
    x = np.random.default_rng(seed).uniform(size=(count, *shape)).astype("float32")
    x[0, 0], x[0, 1] = 0.0, 1.0
    return x


# Units


@BOTH
@pytest.mark.parametrize(
    ("epsilon", "bounds", "radius"),
    [
        (0.1, (0, 1), 0.1),
        ("8/255", (0, 1), 8 / 255),
        ("8/255", (0, 255), 8.0),
        ("8/255", (-1, 1), 16 / 255),
        ("0.5", (0, 2), 1.0),
        (" 1 / 4 ", (0, 1), 0.25),
        (3, (0, 255), 3.0),
    ],
)
def test_epsilon_is_in_input_units_or_a_fraction_of_the_range(
    norm, epsilon, bounds, radius
):
    ball = norm(epsilon, bounds=bounds)
    assert ball.radius == pytest.approx(radius, rel=1e-12)
    assert ball.epsilon == epsilon and ball.bounds == bounds


def test_epsilon_and_bounds_may_be_arrays_per_feature():
    ball = Linf([0.1, 0.0, 0.3])
    np.testing.assert_allclose(ball.radius, [0.1, 0.0, 0.3], rtol=1e-6)
    ball = Linf("1/4", bounds=(np.array([0, -1]), np.array([1, 7])))
    np.testing.assert_allclose(ball.radius, [0.25, 2.0])
    assert _numpy(ball.box(_tensor([[-3, -3], [9, 9]]))).tolist() == [[0, -1], [1, 7]]


@BOTH
def test_length_and_scaled_are_in_input_units(norm):
    ball = norm("8/255", bounds=(0, 255))
    assert ball.length("2/255") == pytest.approx(2.0)
    assert ball.length(3) == 3.0
    half = ball.scaled(0.5)
    assert type(half) is norm and half.radius == pytest.approx(4.0)
    assert half.bounds == (0, 255)
    tensor = ball.scaled(_tensor(0.0)).radius  # warm-up starts at zero
    assert float(_numpy(tensor)) == 0.0


def test_public_names_are_the_classes():
    assert mpat.Linf is Linf and mpat.L2 is L2 and issubclass(Linf, mpat.ThreatModel)


# Messages


@BOTH
@pytest.mark.parametrize("epsilon", [0, -0.1, float("nan"), float("inf"), "0/255", []])
def test_epsilon_that_is_not_positive_is_named(norm, epsilon):
    with pytest.raises(ValueError) as error:
        norm(epsilon)
    text = str(error.value)
    assert text.startswith("`epsilon` must be positive (in input units")
    assert "Received: epsilon=" in text and "np." not in text
    assert text.endswith("For 8 grey levels: '8/255'.")


@BOTH
@pytest.mark.parametrize("epsilon", ["abc", "", "8/0", "8/255/2", "8:255"])
def test_text_that_is_no_fraction_is_named(norm, epsilon):
    with pytest.raises(ValueError) as error:
        norm(epsilon)
    assert "`epsilon` must be a number or a fraction of the range" in str(error.value)
    assert f"Received: epsilon={epsilon!r}. Pass 0.1 or '8/255'." in str(error.value)


@pytest.mark.parametrize(
    ("epsilon", "bounds"), [(8, (0, 1)), ([0.1, 1.5], (0, 1)), ("3/2", (0, 255))]
)
def test_linf_radius_beyond_the_range_is_named(epsilon, bounds):
    with pytest.raises(ValueError) as error:
        Linf(epsilon, bounds=bounds)
    text = str(error.value)
    assert "`epsilon` must lie between 0 and the range of the inputs" in text
    assert f"Received: epsilon={epsilon!r} with bounds={bounds!r}." in text
    assert "pass bounds=(0, 255)" in text


@BOTH
def test_one_negative_radius_among_many_is_refused(norm):
    with pytest.raises(ValueError, match=r"`epsilon` must .*Received: epsilon="):
        norm([0.1, -0.1])


def test_radius_may_equal_the_range_and_l2_may_exceed_it():
    assert Linf(1).radius == 1.0
    assert L2(8).radius == 8.0


@BOTH
@pytest.mark.parametrize("bounds", [(1, 0), (0, 0), ([0, 1], [1, 1])])
def test_bounds_out_of_order_are_named(norm, bounds):
    with pytest.raises(
        ValueError, match=r"`bounds` must be .*Received: bounds=.* pass \(0, 1\)\."
    ):
        norm(0.1, bounds=bounds)


# Ball and box


def test_projections_equal_their_closed_forms():
    x = _tensor([[0.5, 0.9, 0.1]])
    moved = _tensor([[0.8, 1.3, 0.05]])
    np.testing.assert_allclose(
        _numpy(Linf(0.2).project(moved, x)), [[0.7, 1.0, 0.05]], atol=1e-6
    )
    np.testing.assert_allclose(
        _numpy(Linf(0.2).ball(moved, x)), [[0.7, 1.1, 0.05]], atol=1e-6
    )
    change = np.array([0.3, 0.4, -0.05])
    scaled = change * 0.2 / np.linalg.norm(change)
    np.testing.assert_allclose(
        _numpy(L2(0.2).project(moved, x)),
        [np.clip([0.5, 0.9, 0.1] + scaled, 0, 1)],
        atol=1e-6,
    )
    np.testing.assert_allclose(  # inside already: nothing moves
        _numpy(L2(0.9).ball(moved, x)), _numpy(moved), atol=1e-6
    )


@BOTH
@pytest.mark.parametrize("mutable", [None, np.arange(24).reshape(3, 4, 2) % 3 > 0])
def test_projection_is_inside_idempotent_and_keeps_fixed_features(norm, mutable):
    ball = norm(0.3, mutable=mutable)
    x = _images()
    far = x + np.random.default_rng(1).normal(scale=2, size=x.shape).astype("float32")
    once = _numpy(ball.project(_tensor(far), _tensor(x)))
    assert once.min() >= 0 and once.max() <= 1
    assert np.all(_numpy(ball.distance(_tensor(once), _tensor(x))) <= 0.3 + 1e-6)
    twice = _numpy(ball.project(_tensor(once), _tensor(x)))
    np.testing.assert_allclose(twice, once, atol=1e-6)
    assert np.abs(once - x).max() > 0.05
    if mutable is not None:
        np.testing.assert_array_equal(once[:, ~mutable], x[:, ~mutable])


@BOTH
def test_projection_respects_one_radius_per_feature(norm):
    radius = np.array([0.0, 0.05, 0.2], "float32")
    x = np.full((4, 3), 0.5, "float32")
    change = np.random.default_rng(2).normal(size=(4, 3)).astype("float32")
    change[:, 0] = 0.0 if norm is L2 else change[:, 0]
    result = _numpy(norm(radius).project(_tensor(x + change), _tensor(x))) - x
    assert np.all(result[:, 0] == 0) and np.all(np.isfinite(result))
    assert np.all(np.abs(result) <= radius + 1e-6)
    relative = np.linalg.norm(result[:, 1:] / radius[1:], axis=-1)
    limit = 1.0 if norm is L2 else np.sqrt(2.0)
    assert np.all(relative <= limit + 1e-5) and relative.max() > limit - 0.3


def test_l2_feature_of_radius_zero_that_moved_is_brought_back():
    ball = L2([0.0, 0.1])
    result = _numpy(ball.project(_tensor([[0.9, 0.55]]), _tensor([[0.5, 0.5]])))
    assert result[0, 0] == pytest.approx(0.5, abs=1e-6)
    assert np.all(np.isfinite(result)) and abs(result[0, 1] - 0.5) <= 0.1


def test_distances_are_the_norms_per_example():
    x, y = _images(seed=1), _images(seed=2)
    flat = (y - x).reshape(len(x), -1)
    np.testing.assert_allclose(
        _numpy(Linf(0.1).distance(_tensor(y), _tensor(x))), np.abs(flat).max(-1), 1e-6
    )
    np.testing.assert_allclose(
        _numpy(L2(0.1).distance(_tensor(y), _tensor(x))),
        np.linalg.norm(flat, axis=-1),
        1e-5,
    )


# Sampling


def _samples(ball, shape, count=4000, seed=0):
    x = np.full((count, *shape), 0.5, "float32")
    return _numpy(ball.sample(_tensor(x), noise.keys(seed, count))) - x


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
    x = _images(50)
    x[:25], x[25:] = 0.0, 1.0
    result = _numpy(norm(0.4).sample(_tensor(x), noise.keys(1, 50)))
    assert result.min() >= 0 and result.max() <= 1
    assert result[:25].max() > 0.05 and result[25:].min() < 0.95


@BOTH
def test_samples_depend_on_the_key_of_the_example_only(norm):
    x, keys = _images(5), noise.keys(2, 5)
    together = _numpy(norm(0.1).sample(_tensor(x), keys))
    alone = _numpy(norm(0.1).sample(_tensor(x[3:4]), keys[3:4]))
    np.testing.assert_allclose(alone[0], together[3], atol=1e-7)
    assert not np.allclose(_numpy(norm(0.1).sample(_tensor(x), noise.keys(3, 5))), x)


# Steepest directions


def test_linf_steepest_is_the_sign_with_zero_for_zero():
    gradient = _tensor([[3.0, -1e-30, 0.0]])
    assert _numpy(Linf(0.1).steepest(gradient)).tolist() == [[1, -1, 0]]
    masked = Linf(0.1, mutable=[False, True, True]).steepest(gradient)
    assert _numpy(masked).tolist() == [[0, -1, 0]]


@pytest.mark.parametrize("size", [1.0, 1e-12, 1e-30, 1e30])
def test_l2_steepest_is_the_unit_gradient_however_small(size):
    gradient = np.random.default_rng(3).normal(size=(5, 3, 4, 2))
    direction = _numpy(L2(0.1).steepest(_tensor(gradient * size)))
    norms = np.linalg.norm(gradient.reshape(5, -1), axis=-1)
    np.testing.assert_allclose(
        direction, gradient / norms.reshape(-1, 1, 1, 1), atol=1e-6
    )


@BOTH
def test_zero_gradient_gives_the_zero_direction(norm):
    gradient = np.zeros((2, 3, 4, 2))
    gradient[1] = 1.0
    direction = _numpy(norm(0.1).steepest(_tensor(gradient)))
    assert np.all(direction[0] == 0) and np.all(direction[1] > 0)


def test_l2_steepest_ignores_fixed_features_and_weighs_radii():
    gradient = _tensor([[3.0, 4.0, 12.0]])
    masked = _numpy(L2(0.1, mutable=[True, True, False]).steepest(gradient))
    np.testing.assert_allclose(masked, [[0.6, 0.8, 0.0]], atol=1e-6)
    # In the ellipsoid |change / radius| <= 1 the best change is
    # radius * unit(radius * gradient): the step, too, is in units of the radius.
    weighed = _numpy(L2([0.4, 0.3, 0.0]).steepest(gradient))
    np.testing.assert_allclose(weighed, [[0.5**0.5, 0.5**0.5, 0.0]], atol=1e-6)
