"""as_logits: same function up to the softmax, same weights, same names."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_mpat.models import as_logits, ends_in_softmax


def kernels(model):
    return {id(variable) for variable in model.weights}


def layer_names(model):
    """Names of all layers but the inputs, nested ones included."""
    names = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            names += [f"{layer.name}/{name}" for name in layer_names(layer)]
        elif not isinstance(layer, layers.InputLayer):
            names.append(layer.name)
    return names


def test_softmax_of_the_logits_is_the_original(layout, images):
    original = layout("softmax")
    before = ops.convert_to_numpy(original(images))
    logits = as_logits(original)
    np.testing.assert_allclose(ops.softmax(logits(images)), before, atol=1e-6)
    np.testing.assert_array_equal(original(images), before)
    assert np.abs(ops.convert_to_numpy(logits(images)) - before).max() > 1e-2


def test_ends_in_softmax_tells_them_apart(layout):
    assert ends_in_softmax(layout("softmax"))
    assert not ends_in_softmax(as_logits(layout("softmax")))
    assert not ends_in_softmax(layout("linear"))


def test_shares_every_variable_and_name(layout):
    original = layout("softmax")
    logits = as_logits(original)
    assert kernels(logits) == kernels(original)
    assert len(logits.trainable_variables) == len(original.trainable_variables)
    assert layer_names(logits) == layer_names(original)
    assert logits.name == original.name


def test_training_the_logits_trains_the_original(layout, images, train_once):
    original = layout("softmax")
    before = original.get_weights()
    logits = as_logits(original)
    train_once(logits)
    changed = [
        not np.array_equal(old, new)
        for old, new in zip(before, original.get_weights(), strict=True)
    ]
    assert changed[-1] and changed[-2]
    np.testing.assert_allclose(ops.softmax(logits(images)), original(images), atol=1e-6)


def test_logits_come_back_unchanged(layout):
    original = layout("linear")
    assert as_logits(original) is original


def test_softmax_written_as_an_operation(layouts, images):
    body = layouts["flat"]("linear")
    original = keras.Model(body.inputs, ops.softmax(body.outputs[0]))
    assert ends_in_softmax(original)
    np.testing.assert_allclose(as_logits(original)(images), body(images), atol=1e-6)


def test_softmax_layer_then_cast(layouts, images):
    body = layouts["flat"]("linear")
    x = layers.Softmax(name="probabilities")(body.outputs[0])
    x = layers.Activation("linear", dtype="float32", name="cast")(x)
    original = keras.Model(body.inputs, x)
    assert ends_in_softmax(original)
    logits = as_logits(original)
    np.testing.assert_allclose(logits(images), body(images), atol=1e-6)
    assert layer_names(logits)[-2:] == ["probabilities", "cast"]


def test_softmax_by_value(images):
    """tensorflow's own softmax, or any other, is not the function Keras knows."""

    def theirs(x):
        e = ops.exp(x - ops.max(x, axis=-1, keepdims=True))
        return e / ops.sum(e, axis=-1, keepdims=True)

    scores = layers.Dense(3, activation=theirs)
    original = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), scores])
    assert ends_in_softmax(original)
    np.testing.assert_allclose(
        ops.softmax(as_logits(original)(images)), original(images), atol=1e-6
    )


@pytest.fixture
def mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def test_float32_softmax_layer_stays_float32(mixed_precision, images):
    image = keras.Input((8, 8, 1))
    x = layers.Dense(3)(layers.Flatten()(image))
    original = keras.Model(image, layers.Activation("softmax", dtype="float32")(x))
    logits = as_logits(original)
    assert keras.backend.standardize_dtype(x.dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(logits(images).dtype) == "float32"


def test_regularizer_counts_once():
    scores = layers.Dense(3, activation="softmax", kernel_regularizer="l2", name="s")
    original = keras.Sequential([keras.Input((4,)), scores])
    logits = as_logits(original)
    expected = 0.01 * np.sum(np.square(scores.get_weights()[0]))
    np.testing.assert_allclose(sum(logits.losses), expected, rtol=1e-5)


def test_frozen_last_layer_stays_frozen():
    scores = layers.Dense(3, activation="softmax", trainable=False)
    original = keras.Sequential([keras.Input((4,)), layers.Dense(5), scores])
    assert len(as_logits(original).trainable_variables) == 2


class Subclassed(keras.Model):
    def call(self, x):
        return ops.softmax(x)


def two_outputs():
    image = keras.Input((4,))
    return keras.Model(image, [layers.Dense(2)(image), layers.Dense(3)(image)])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: keras.Sequential([layers.Dense(3)]), r"keras\.Input\(shape="),
        (Subclassed, "Subclassed, whose layers cannot be read"),
        (two_outputs, "1 inputs and 2 outputs"),
        (
            lambda: keras.Sequential([keras.Input((4,)), layers.Dense(1, "sigmoid")]),
            "at least 2 logits",
        ),
        (
            lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3, "sigmoid")]),
            "a sigmoid in layer",
        ),
    ],
)
def test_refusals_say_what_to_do(build, message):
    with pytest.raises(ValueError, match=f"`classifier` must .*{message}"):
        as_logits(build())


def test_ends_in_softmax_never_raises():
    assert not ends_in_softmax(Subclassed())
    assert not ends_in_softmax(two_outputs())
    assert not ends_in_softmax(keras.Sequential())
    assert ends_in_softmax(keras.Sequential([layers.Dense(3, activation="softmax")]))
    assert not ends_in_softmax(keras.Sequential([layers.Dense(3)]))
