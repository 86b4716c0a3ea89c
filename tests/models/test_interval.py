"""Interval bounds of training: those that evaluation proves, but for the rounding."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_mpat import backend
from keras_mpat.evaluation.certification.network import Network
from keras_mpat.evaluation.certification.rounding import Box
from keras_mpat.models.interval import IntervalBounds
from keras_mpat.weight_gradients import weight_gradients
from tests.contracts.certified_layers_table import ATTAINED, CONTAINED, model
from tests.contracts.test_certified_layers import intervals
from tests.oracles import finite_differences

ROWS = ATTAINED | CONTAINED
if backend.NAME != "tensorflow":
    ROWS = {name: row for name, row in ROWS.items() if "*" in name}


def array(tensor):
    return ops.convert_to_numpy(tensor)


def box(shape):
    return tuple(map(ops.convert_to_tensor, intervals(shape)))


@pytest.mark.parametrize("name", ROWS)
def test_they_are_the_bounds_of_certification(name):
    part, classifier = model(ROWS[name])
    low, high = box(ROWS[name][0])
    proven = Network(part).boxes(Box(low, high))[-1]
    found = IntervalBounds(part).boxes(low, high)
    assert np.all(array(found[0]) >= array(proven.low))
    assert np.all(array(found[1]) <= array(proven.high))
    for bound, expected in zip(found, (proven.low, proven.high), strict=True):
        np.testing.assert_allclose(array(bound), array(expected), rtol=1e-3, atol=1e-3)
    # Of the differences of the last layer's rows, which is tighter than of its logits.
    low_features, high_features = (array(bound).reshape(-1) for bound in found)
    kernel, bias = map(array, classifier.layers[-1].weights)
    apart = kernel[:, [1]] - kernel
    least = np.minimum(apart.T * low_features, apart.T * high_features)
    expected = least.sum(-1) + bias[1] - bias
    y = ops.convert_to_tensor(np.array([1]))
    margins = array(IntervalBounds(classifier).margins(low, high, y))[0]
    np.testing.assert_allclose(margins, expected, rtol=1e-3, atol=1e-3)
    # Certification goes back through all linear layers at the end.
    network = Network(classifier)
    proven = array(network.margins(network.boxes(Box(low, high)), y))[0]
    assert np.all(margins <= proven + 1e-3 * (1 + np.abs(margins).max()))


def small():
    rng = np.random.default_rng(2)
    classifier = keras.Sequential(
        [
            keras.Input((5, 4, 1)),
            layers.Conv2D(2, 2, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    for weight in classifier.weights:
        values = rng.uniform(0.2, 1.0, weight.shape)
        if weight.name in ("kernel", "bias"):
            values *= rng.choice([-1, 1], weight.shape)
        weight.assign(values)
    return classifier


def test_a_point_has_the_logits_themselves():
    classifier = small()
    x = np.random.default_rng(0).uniform(size=(6, 5, 4, 1)).astype("float32")
    x, y = ops.convert_to_tensor(x), np.arange(6) % 3
    logits = array(classifier(x, training=False))
    expected = logits[np.arange(6), y][:, None] - logits
    found = array(IntervalBounds(classifier).margins(x, x, y))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_batch_norm_of_a_batch():
    """The logits of training at a point, and moving averages that stay."""
    classifier = small()
    x = np.random.default_rng(0).uniform(size=(6, 5, 4, 1)).astype("float32")
    x, y = ops.convert_to_tensor(x), np.arange(6) % 3
    bounds, before = IntervalBounds(classifier), classifier.get_weights()
    found = array(bounds.margins(x, x, y, x))
    wide = array(bounds.margins(x - 0.1, x + 0.1, y, x))
    for weight, kept in zip(classifier.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)
    inference = array(bounds.margins(x, x, y))
    logits = array(classifier(x, training=True))
    expected = logits[np.arange(6), y][:, None] - logits
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.all(wide <= found + 1e-5) and np.mean(wide < found - 0.01) > 0.6
    classifier.set_weights(before)
    classifier.layers[1].trainable = False  # Keras: then it is that of inference
    np.testing.assert_array_equal(array(bounds.margins(x, x, y, x)), inference)
    assert np.abs(found - inference).max() > 0.1


@pytest.mark.parametrize("of_a_batch", [False, True])
def test_gradients_reach_every_weight(of_a_batch):
    """Through kernels and their absolute values, biases and BatchNorm's factors."""
    classifier = small()
    low, high = box((5, 4, 1))
    y = np.array([2])
    bounds = IntervalBounds(classifier)
    batch = np.random.default_rng(3).uniform(-1, 1, (6, 5, 4, 1)).astype("float32")
    batch = ops.convert_to_tensor(batch) if of_a_batch else None
    coefficients = ops.convert_to_tensor(np.array([[0.7, -0.4, 0.0]], "float32"))

    def total():
        return ops.sum(coefficients * bounds.margins(low, high, y, batch))

    weights = classifier.trainable_variables
    found = weight_gradients(total, weights, classifier.variables)
    for weight, gradient in zip(weights, found, strict=True):
        before = array(weight.value).astype("float64")

        def value(changed, weight=weight):
            weight.assign(changed)
            return float(array(total()))

        expected = finite_differences(value, before, step=1e-3)
        weight.assign(before)
        np.testing.assert_allclose(array(gradient), expected, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Activation("gelu"),
        layers.LeakyReLU(negative_slope=0.1),
        layers.Dense(3, activation="swish"),
        layers.Dense(3, activation="softmax"),
        layers.Dense(3, dtype="mixed_bfloat16"),
        layers.LayerNormalization(),
        layers.PReLU(),
        layers.Lambda(lambda x: -x),
    ],
    ids=lambda layer: layer.name,
)
def test_other_layers_are_refused(layer):
    if isinstance(layer, layers.LeakyReLU):
        layer.negative_slope = -0.5
    classifier = keras.Sequential([keras.Input((4,)), layer, layers.Dense(2)])
    with pytest.raises(ValueError, match=f"Received: layer {layer.name!r}"):
        IntervalBounds(classifier)


def test_causal_convolutions_are_refused():
    layer = layers.Conv1D(2, 2, padding="causal", name="late")
    classifier = keras.Sequential(
        [keras.Input((5, 2)), layer, layers.Flatten(), layers.Dense(2)]
    )
    with pytest.raises(ValueError, match="'late' with causal padding"):
        IntervalBounds(classifier)
