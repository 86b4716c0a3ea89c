"""Small data and nets that train in a second, for the tests of training."""

import keras
import numpy as np
from keras import layers, ops

import keras_mpat as mpat

FEATURES = 4


def data(n=64, seed=0):
    """(x, y): two classes, balanced, that lie 0.5 apart in the first feature."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 2).astype("int32")
    x = rng.uniform(0.2, 0.8, (n, FEATURES))
    x[:, 0] = np.where(y == 1, 0.75, 0.25) + rng.uniform(-0.05, 0.05, n)
    return x.astype("float32"), y


def net(seed=1, batch_norm=True, **of_norm):
    """A classifier with BatchNorm and two logits, the same on each backend."""
    rng = np.random.default_rng(seed)
    norm = layers.BatchNormalization(momentum=0.5, **of_norm)
    middle = [norm] if batch_norm else []
    classifier = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            layers.Dense(8),
            *middle,
            layers.ReLU(),
            layers.Dense(2),
        ]
    )
    for layer in (classifier.layers[0], classifier.layers[-1]):
        layer.kernel.assign(rng.normal(size=layer.kernel.shape) / 2)
    return classifier


def linear(classes=2, *, scale=1.0, bias=True):
    """(classifier, kernel (D, C) and, if it has one, bias (C,)): x @ kernel + bias."""
    rng = np.random.default_rng(3)
    weights = [scale * rng.normal(size=(FEATURES, classes))]
    weights += [rng.normal(size=classes)] if bias else []
    classifier = keras.Sequential(
        [keras.Input((FEATURES,)), layers.Dense(classes, use_bias=bias)]
    )
    classifier.set_weights(weights)
    return classifier, *weights


def named():
    """A classifier whose layers have names: "hidden", "relu", "logits"."""
    return keras.Sequential(
        [
            keras.Input((FEATURES,), name="features"),
            layers.Dense(8, name="hidden"),
            layers.ReLU(name="relu"),
            layers.Dense(2, name="logits"),
        ],
        name="net",
    )


class Opaque(keras.Model):
    """A subclassed classifier, built, that shows no embedding."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.last = layers.Dense(2)
        self(np.zeros((1, FEATURES), "float32"))

    def call(self, x):
        return self.last(x)


def stream(*batches):
    """A generator of batches, of which Keras and this package see one at a time."""
    yield from batches


def head(**kwargs):
    """A SoftTriple head with its own seed."""
    initializer = keras.initializers.RandomUniform(-0.5, 0.5, seed=5)
    kwargs = {"prototypes_per_class": 3, "initializer": initializer, **kwargs}
    return mpat.SoftTripleHead(2, **kwargs)


def model(strategy, *, classifier=None, eager=True, learning_rate=0.1, **kwargs):
    """A compiled model; eager by default, because one step needs no graph."""
    adversarial = mpat.AdversarialModel(
        classifier or net(), strategy=strategy, **kwargs
    )
    adversarial.compile(
        keras.optimizers.SGD(learning_rate, momentum=0.9),
        metrics=["accuracy"],
        run_eagerly=eager,
    )
    return adversarial


def values(variables):
    """NumPy values of variables."""
    return [ops.convert_to_numpy(variable.value) for variable in variables]


def assert_same(first, second, **tolerance):
    """Two lists of arrays are equal, bit for bit or within a tolerance."""
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        if tolerance:
            np.testing.assert_allclose(one, other, **tolerance)
        else:
            np.testing.assert_array_equal(one, other)
