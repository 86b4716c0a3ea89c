"""Threat models: units, messages, projection."""

import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat.threat_models import L2, Linf
from tests.balls import BOTH, images, to_numpy, to_tensor

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
    assert to_numpy(ball.box(to_tensor([[-3, -3], [9, 9]]))).tolist() == [
        [0, -1],
        [1, 7],
    ]


@BOTH
def test_length_and_scaled_are_in_input_units(norm):
    ball = norm("8/255", bounds=(0, 255))
    assert ball.length("2/255") == pytest.approx(2.0)
    assert ball.length(3) == 3.0
    half = ball.scaled(0.5)
    assert type(half) is norm and half.radius == pytest.approx(4.0)
    assert half.bounds == (0, 255)
    tensor = ball.scaled(to_tensor(0.0)).radius  # warm-up starts at zero
    assert float(to_numpy(tensor)) == 0.0


def test_public_names_are_the_classes():
    assert mpat.Linf is Linf and mpat.L2 is L2 and issubclass(Linf, mpat.ThreatModel)


# Messages


@BOTH
@pytest.mark.parametrize("epsilon", [-0.1, float("nan"), float("inf"), "-8/255", []])
def test_epsilon_that_is_no_length_is_named(norm, epsilon):
    with pytest.raises(ValueError) as error:
        norm(epsilon)
    text = str(error.value)
    assert text.startswith("`epsilon` must be >= 0 (in input units")
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
    x = to_tensor([[0.5, 0.9, 0.1]])
    moved = to_tensor([[0.8, 1.3, 0.05]])
    np.testing.assert_allclose(
        to_numpy(Linf(0.2).project(moved, x)), [[0.7, 1.0, 0.05]], atol=1e-6
    )
    np.testing.assert_allclose(
        to_numpy(Linf(0.2).ball(moved, x)), [[0.7, 1.1, 0.05]], atol=1e-6
    )
    change = np.array([0.3, 0.4, -0.05])
    scaled = change * 0.2 / np.linalg.norm(change)
    np.testing.assert_allclose(
        to_numpy(L2(0.2).project(moved, x)),
        [np.clip([0.5, 0.9, 0.1] + scaled, 0, 1)],
        atol=1e-6,
    )
    np.testing.assert_allclose(  # inside already: nothing moves
        to_numpy(L2(0.9).ball(moved, x)), to_numpy(moved), atol=1e-6
    )


@BOTH
@pytest.mark.parametrize("mutable", [None, np.arange(24).reshape(3, 4, 2) % 3 > 0])
def test_projection_is_inside_idempotent_and_keeps_fixed_features(norm, mutable):
    ball = norm(0.3, mutable=mutable)
    x = images()
    far = x + np.random.default_rng(1).normal(scale=2, size=x.shape).astype("float32")
    once = to_numpy(ball.project(to_tensor(far), to_tensor(x)))
    assert once.min() >= 0 and once.max() <= 1
    assert np.all(to_numpy(ball.distance(to_tensor(once), to_tensor(x))) <= 0.3 + 1e-6)
    twice = to_numpy(ball.project(to_tensor(once), to_tensor(x)))
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
    result = to_numpy(norm(radius).project(to_tensor(x + change), to_tensor(x))) - x
    assert np.all(result[:, 0] == 0) and np.all(np.isfinite(result))
    assert np.all(np.abs(result) <= radius + 1e-6)
    relative = np.linalg.norm(result[:, 1:] / radius[1:], axis=-1)
    limit = 1.0 if norm is L2 else np.sqrt(2.0)
    assert np.all(relative <= limit + 1e-5) and relative.max() > limit - 0.3


def test_l2_feature_of_radius_zero_that_moved_is_brought_back():
    ball = L2([0.0, 0.1])
    result = to_numpy(ball.project(to_tensor([[0.9, 0.55]]), to_tensor([[0.5, 0.5]])))
    assert result[0, 0] == pytest.approx(0.5, abs=1e-6)
    assert np.all(np.isfinite(result)) and abs(result[0, 1] - 0.5) <= 0.1


def test_distances_are_the_norms_per_example():
    x, y = images(seed=1), images(seed=2)
    flat = (y - x).reshape(len(x), -1)
    np.testing.assert_allclose(
        to_numpy(Linf(0.1).distance(to_tensor(y), to_tensor(x))),
        np.abs(flat).max(-1),
        1e-6,
    )
    np.testing.assert_allclose(
        to_numpy(L2(0.1).distance(to_tensor(y), to_tensor(x))),
        np.linalg.norm(flat, axis=-1),
        1e-5,
    )
