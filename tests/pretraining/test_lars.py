"""LARS: a NumPy oracle, the size of a step, zeros, exclusion, saving."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_mpat.pretraining import LARS


def oracle(w, gradients, rates, momentum=0.9, decay=1e-6, trust=1e-3):
    """Algorithm 1 of You et al. in float64, one gradient after the other."""
    w, v = np.asarray(w, "float64"), np.zeros_like(w, "float64")
    for g, rate in zip(gradients, rates, strict=True):
        size, slope = np.linalg.norm(w), np.linalg.norm(g)
        ratio = trust * size / (slope + decay * size) if size and slope else 1.0
        v = momentum * v + rate * ratio * (g + decay * w)
        w = w - v
    return w


def after(optimizer, start, gradients, name="kernel"):
    variable = keras.Variable(np.asarray(start, "float32"), name=name)
    for gradient in gradients:
        gradient = ops.convert_to_tensor(np.asarray(gradient, "float32"))
        optimizer.apply([gradient], [variable])
    return ops.convert_to_numpy(variable.value)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_matches_the_algorithm_with_a_schedule(decay):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(3, 4)), rng.normal(size=(6, 3, 4))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, 4, warmup_target=50.0, warmup_steps=2
    )
    rates = [float(schedule(step)) for step in range(6)]
    assert rates[0] == 0 and max(rates) == 50 and rates[5] < 10
    found = after(LARS(schedule, decay=decay), start, gradients)
    expected = oracle(start, gradients, rates, decay=decay)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(found - start).max() > 0.1


def test_the_first_step_is_a_share_of_the_tensor_whatever_the_gradient():
    start = np.random.default_rng(1).normal(size=(5, 5))
    for scale in (1e-6, 1.0, 1e6):
        gradient = scale * np.random.default_rng(2).normal(size=(5, 5))
        moved = after(LARS(3.0, decay=0.0), start, [gradient]) - start
        share = np.linalg.norm(moved) / np.linalg.norm(start)
        assert share == pytest.approx(3.0 * 0.001, rel=1e-3)


def test_a_tensor_of_zeros_and_a_gradient_of_zeros_take_the_plain_step():
    gradients = np.array([[0.5, -1.0], [1.0, 0.0]])
    found = after(LARS(0.1), np.zeros(2), gradients)
    np.testing.assert_allclose(
        found, oracle(np.zeros(2), gradients, [0.1] * 2), rtol=1e-5
    )
    still = after(LARS(0.1, decay=0.0), np.ones(2), np.zeros((2, 2)))
    np.testing.assert_array_equal(still, 1.0)


def test_what_is_excluded_takes_the_steps_of_momentum_sgd():
    rng = np.random.default_rng(3)
    start, gradients = rng.normal(size=4), rng.normal(size=(3, 4))
    lars = LARS(0.1, decay=0.5, exclude=("bias", "gamma"))
    expected = after(keras.optimizers.SGD(0.1, momentum=0.9), start, gradients)
    np.testing.assert_allclose(
        after(lars, start, gradients, name="bias"), expected, rtol=1e-5
    )
    lars = LARS(0.1, decay=0.5, exclude=("bias", "gamma"))
    assert not np.allclose(after(lars, start, gradients), expected)


def test_training_goes_on_from_a_file_as_if_nothing_had_happened(tmp_path):
    x = np.random.default_rng(4).normal(size=(16, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dense(1)])
    model.compile(LARS(2.0, exclude=("bias",)), "mse")
    model.fit(x, x[:, :1], epochs=2, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.optimizer.get_config() == model.optimizer.get_config()
    for each in (model, again):
        each.fit(x, x[:, :1], epochs=2, verbose=0, shuffle=False)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "wrong", [{"momentum": 1.0}, {"momentum": -0.1}, {"decay": -1}, {"trust": 0}]
)
def test_values_outside_their_range_are_refused(wrong):
    with pytest.raises(ValueError, match=f"`{next(iter(wrong))}` must be"):
        LARS(0.1, **wrong)
