"""Proxy-NCA: published values, both denominators, configuration, gradients."""

import math

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat.losses.proxy_nca import proxy_nca
from tests.losses.gradients import gradient_of
from tests.oracles import finite_differences

X = np.array([[1, 0], [1, 1]]) / np.sqrt([[1], [2]])
PROXIES = np.array([[1.0, 0], [0, 1], [-1, 0]])
SQUARED = np.array([[0, 2, 4], [0.58578644, 0.58578644, 3.41421356]])
Y = np.array([0, 1])
FORMS = pytest.mark.parametrize("include_positive", [True, False], ids=["all", "paper"])


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def oracle(similarities, labels, include_positive=True):
    losses = []
    for row, label in zip(similarities, labels, strict=True):
        rivals = [z for z in range(len(row)) if include_positive or z != label]
        total = sum(math.exp(row[z]) for z in rivals)
        losses.append(-math.log(math.exp(row[label]) / total))
    return np.array(losses)


def test_the_planted_distances_are_squared_euclidean():
    differences = X[:, None] - PROXIES[None]
    np.testing.assert_allclose(np.sum(differences**2, -1), SQUARED, atol=1e-8)


@pytest.mark.parametrize(
    ("scale", "include_positive", "expected"),
    [(1, False, -0.90782354), (1, True, 0.43260171), (32, True, 0.34657359)],
    ids=["paper", "with-positive", "scale-32"],
)
def test_published_values(scale, include_positive, expected):
    loss = mpat.losses.ProxyNCA(include_positive=include_positive)
    assert float(loss(Y, -scale * SQUARED)) == pytest.approx(expected, rel=1e-5)


def test_the_smoothed_form_of_the_published_code_is_a_keras_loss_on_the_same_logits():
    # 0.9 for the class and 0.1 / (C - 1) for others: Keras' 0.15 spread over C = 3.
    smooth = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=0.15
    )
    found = smooth(np.eye(3, dtype="float32")[Y], (-3 * SQUARED).astype("float32"))
    assert float(found) == pytest.approx(1.00999815, rel=1e-5)


@FORMS
def test_matches_the_oracle(include_positive):
    rng = np.random.default_rng(0)
    similarities, y = rng.uniform(-8, 0, (9, 4)), rng.integers(0, 4, 9)
    loss = mpat.losses.ProxyNCA(include_positive, reduction="none")
    expected = oracle(similarities, y, include_positive)
    found = numpy(loss(y, similarities))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    weights = rng.uniform(0, 2, 9)
    total = mpat.losses.ProxyNCA(include_positive, reduction="sum")
    weighted = float(total(y, similarities, sample_weight=weights))
    assert weighted == pytest.approx(np.dot(weights, expected), rel=1e-4)


def test_two_classes_without_the_positive_are_a_difference_of_distances():
    similarities = -np.array([[0.5, 3.0], [2.0, 1.0]])
    found = proxy_nca(similarities, Y, include_positive=False)
    np.testing.assert_allclose(numpy(found), [0.5 - 3, 1 - 2], rtol=1e-6)


@FORMS
def test_follows_a_permutation_of_examples_and_classes(include_positive):
    rng = np.random.default_rng(1)
    similarities, y = rng.uniform(-8, 0, (7, 4)), rng.integers(0, 4, 7)
    values = numpy(proxy_nca(similarities, y, include_positive=include_positive))
    rows, columns = rng.permutation(7), rng.permutation(4)
    moved = proxy_nca(
        similarities[rows][:, columns],
        np.argsort(columns)[y[rows]],
        include_positive=include_positive,
    )
    np.testing.assert_allclose(numpy(moved), values[rows], rtol=1e-5, atol=1e-6)


@FORMS
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_large_distances_stay_finite(include_positive, dtype):
    similarities = -1e4 * SQUARED
    values = proxy_nca(similarities.astype(dtype), Y, include_positive=include_positive)
    assert np.all(np.isfinite(numpy(values)))
    gradient = gradient_of(
        lambda s: proxy_nca(s, Y, include_positive=include_positive),
        similarities,
        dtype,
    )
    assert np.all(np.isfinite(gradient)) and np.any(gradient != 0)


@FORMS
def test_gradient_against_finite_differences(include_positive):
    np.testing.assert_allclose(
        gradient_of(
            lambda s: proxy_nca(s, Y, include_positive=include_positive), -SQUARED
        ),
        finite_differences(lambda s: oracle(s, Y, include_positive).sum(), -SQUARED),
        rtol=1e-3,
        atol=1e-5,
    )


def test_config_round_trip():
    loss = mpat.losses.ProxyNCA(False, reduction="sum", name="proxies")
    config = keras.saving.serialize_keras_object(loss)
    twin = keras.saving.deserialize_keras_object(config)
    assert keras.saving.serialize_keras_object(twin) == config
    assert (twin.include_positive, twin.reduction) == (False, "sum")
    assert twin.name == "proxies"


@pytest.mark.parametrize("value", [1, "yes", None], ids=repr)
def test_wrong_arguments_are_named(value):
    with pytest.raises(ValueError, match="^`include_positive` must be .* Received: "):
        mpat.losses.ProxyNCA(value)
