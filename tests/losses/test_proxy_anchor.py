"""Proxy-Anchor: published values, weights as multiplicities, one number per batch."""

import math
import types

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat import backend
from tests.losses.gradients import gradient_of
from tests.oracles import finite_differences

COSINES = np.array([[1, 0, -1], [0.70710678, 0.70710678, -0.70710678]])
Y = np.array([0, 1])


def terms(cosines, labels, weights=None, alpha=32.0, delta=0.1):
    """The two terms of equation 4, with loops; weights multiply the exponentials."""
    examples, classes = np.shape(cosines)
    weights = np.ones(examples) if weights is None else weights
    pull, push = [], []
    for p in range(classes):
        near = far = 0.0
        for x in range(examples):
            if labels[x] == p:
                near += weights[x] * math.exp(-alpha * (cosines[x][p] - delta))
            else:
                far += weights[x] * math.exp(alpha * (cosines[x][p] + delta))
        if any(w > 0 and y == p for w, y in zip(weights, labels, strict=True)):
            pull.append(math.log1p(near))
        push.append(math.log1p(far))
    return (sum(pull) / len(pull) if pull else 0.0), sum(push) / classes


def loss_of(cosines, labels, weights=None, alpha=32.0, delta=0.1, **kwargs):
    loss = mpat.losses.ProxyAnchor(delta, alpha, **kwargs)
    return float(loss(labels, alpha * np.asarray(cosines), sample_weight=weights))


def batch(n=10, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n, classes)), rng.integers(0, classes - 1, n)


def test_published_values():
    pull, push = terms(COSINES, Y)
    assert (pull, push) == pytest.approx((1.8e-9, 9.68912344), rel=0.02)
    assert loss_of(COSINES, Y) == pytest.approx(9.68912345, rel=1e-6)
    assert terms(COSINES, Y, alpha=4) == pytest.approx((0.05572973, 1.42986646))
    assert loss_of(COSINES, Y, alpha=4) == pytest.approx(1.48559618, rel=1e-6)


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("scale", [1.0, 4.0, 32.0])
def test_matches_the_oracle_on_a_batch_without_one_class(margin, scale):
    cosines, y = batch()
    assert set(y) == {0, 1, 2}  # P+ is smaller than P
    expected = sum(terms(cosines, y, alpha=scale, delta=margin))
    found = loss_of(cosines, y, alpha=scale, delta=margin)
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_weight_is_how_often_the_example_is_there():
    cosines, y = batch()
    counts = np.array([1, 2, 0, 3, 1, 0, 1, 1, 2, 0])
    repeated = np.repeat(np.arange(10), counts)
    expected = loss_of(cosines[repeated], y[repeated])
    assert loss_of(cosines, y, counts) == pytest.approx(expected, rel=1e-5)
    assert loss_of(cosines, y, np.ones(10)) == pytest.approx(
        loss_of(cosines, y), rel=1e-6
    )
    halves = np.linspace(0, 1.5, 10)
    expected = sum(terms(cosines, y, halves))
    assert loss_of(cosines, y, halves) == pytest.approx(expected, rel=1e-4)


def test_a_class_whose_examples_weigh_nothing_is_not_in_the_first_mean():
    cosines, y = batch()
    weights = (y != 1).astype("float32")
    kept = y != 1
    expected = loss_of(cosines[kept], y[kept])
    assert loss_of(cosines, y, weights) == pytest.approx(expected, rel=1e-5)
    assert loss_of(cosines, y, np.zeros(10)) == 0.0
    gradient = gradient_of(
        lambda s: mpat.losses.ProxyAnchor()(y, s, sample_weight=weights), 32 * cosines
    )
    assert np.all(gradient[~kept] == 0) and np.any(gradient[kept] != 0)


@pytest.mark.parametrize(
    "shape", [(10,), (10, 1), ()], ids=["per-example", "column", "one"]
)
def test_weights_of_every_form_that_keras_hands_on(shape):
    cosines, y = batch()
    expected = loss_of(cosines, y, np.full(10, 2.0))
    assert loss_of(cosines, y, np.full(shape, 2.0)) == pytest.approx(expected, rel=1e-6)


def test_fit_and_class_weight_reach_the_sums():
    cosines, y = batch()
    as_it_is = keras.layers.Dense(4, use_bias=False, kernel_initializer="identity")
    model = keras.Sequential([keras.Input((4,)), as_it_is])
    model.compile("sgd", loss=mpat.losses.ProxyAnchor())
    weights = np.arange(10) % 3
    found = model.evaluate(32 * cosines, y, sample_weight=weights, verbose=0)
    assert found == pytest.approx(loss_of(cosines, y, weights), rel=1e-5)
    history = model.fit(
        32 * cosines, y, batch_size=10, class_weight={0: 0, 1: 2, 2: 1}, verbose=0
    )
    expected = loss_of(cosines, y, np.array([0, 2, 1])[y])
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_it_is_one_number_per_batch_that_keras_divides_by_the_replicas(monkeypatch):
    cosines, y = batch()
    values = mpat.losses.ProxyAnchor(reduction="none")(y, 32 * cosines)
    assert tuple(values.shape) == (1,)
    whole = loss_of(cosines, y)
    assert float(values[0]) == pytest.approx(whole, rel=1e-6)
    assert loss_of(cosines, y, reduction="sum") == pytest.approx(whole, rel=1e-6)
    if backend.NAME == "tensorflow":
        two = types.SimpleNamespace(num_replicas_in_sync=2)
        monkeypatch.setattr(backend.tf.distribute, "get_strategy", lambda: two)
        assert loss_of(cosines, y) == pytest.approx(whole / 2, rel=1e-6)


def test_order_of_examples_and_names_of_classes_do_not_matter():
    cosines, y = batch()
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(10), rng.permutation(4)
    moved = loss_of(cosines[rows][:, columns], np.argsort(columns)[y[rows]])
    assert moved == pytest.approx(loss_of(cosines, y), rel=1e-5)


def test_satisfied_examples_cost_next_to_nothing():
    opposite = 2 * np.eye(3) - 1
    expected = sum(terms(opposite, [0, 1, 2]))
    assert 0 < expected < 1e-11
    found = loss_of(opposite, [0, 1, 2])
    assert found == pytest.approx(expected, rel=1e-3)  # not rounded to 0


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_large_exponents_stay_finite(dtype):
    cosines, y = batch()
    logits = (1000 * cosines).astype(dtype)
    loss = mpat.losses.ProxyAnchor(scale=1000.0)
    assert 100 < float(loss(y, logits)) < 3000
    gradient = gradient_of(lambda s: loss(y, s), logits, dtype)
    assert np.all(np.isfinite(gradient)) and np.any(gradient != 0)


def test_gradient_against_finite_differences():
    cosines, y = batch(6)
    weights = np.array([1.0, 0.5, 2.0, 0.0, 1.0, 1.0])
    loss = mpat.losses.ProxyAnchor(scale=4.0)
    np.testing.assert_allclose(
        gradient_of(lambda s: loss(y, 4 * s, sample_weight=weights), cosines),
        finite_differences(lambda s: sum(terms(s, y, weights, alpha=4.0)), cosines),
        rtol=1e-3,
        atol=1e-5,
    )


def test_config_round_trip():
    loss = mpat.losses.ProxyAnchor(0.2, 7.0, reduction="sum", name="anchors")
    config = keras.saving.serialize_keras_object(loss)
    twin = keras.saving.deserialize_keras_object(config)
    assert keras.saving.serialize_keras_object(twin) == config
    assert (twin.margin, twin.scale, twin.reduction) == (0.2, 7.0, "sum")
    assert twin.name == "anchors"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"margin": -0.01}, "margin"),
        ({"margin": float("nan")}, "margin"),
        ({"scale": 0.0}, "scale"),
        ({"scale": "32"}, "scale"),
    ],
    ids=repr,
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=f"^`{named}` must be .* Received: "):
        mpat.losses.ProxyAnchor(**arguments)
