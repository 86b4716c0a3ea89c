"""find_embedding and feature_model: the right tensor, on shared layers."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_mpat.models import feature_model, find_embedding

WIDTH = 6


def deep_layer(model, name):
    for layer in model.layers:
        if layer.name == name:
            return layer
        if isinstance(layer, keras.Model):
            found = deep_layer(layer, name)
            if found is not None:
                return found
    return None


@pytest.mark.parametrize("activation", ["linear", "softmax"])
def test_embedding_feeds_the_last_layer(layout, activation, images):
    """The oracle: last layer's kernel on the embedding gives the output."""
    classifier = layout(activation)
    output, embedding = map(ops.convert_to_numpy, feature_model(classifier)(images))
    assert embedding.shape == (5, WIDTH)
    np.testing.assert_array_equal(output, classifier(images))
    kernel, bias = deep_layer(classifier, "scores").get_weights()
    scores = embedding @ kernel.reshape(WIDTH, -1) + bias
    expected = keras.activations.get(activation)(ops.convert_to_tensor(scores))
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


def test_find_embedding_starts_at_the_classifiers_input(layout, images):
    classifier = layout("linear")
    embedding = find_embedding(classifier)
    assert embedding.shape == (None, WIDTH)
    model = keras.Model(classifier.inputs[0], embedding)
    np.testing.assert_allclose(
        model(images), feature_model(classifier)(images)[1], rtol=1e-6
    )


def test_shares_every_layer(layout, train_once):
    classifier = layout("linear")
    both = feature_model(classifier)
    assert {id(v) for v in both.weights} == {id(v) for v in classifier.weights}
    assert len(both.weights) == len(classifier.weights)
    before = classifier.get_weights()
    train_once(keras.Model(both.inputs, both.outputs[0]))
    after = classifier.get_weights()
    assert not any(np.array_equal(before[i], after[i]) for i in (-1, -2, 0))


def test_a_nested_model_runs_once():
    calls = []

    class Counted(layers.Layer):
        def call(self, x):
            calls.append(1)
            return x

    image = keras.Input((4,))
    x = layers.Dense(3)(layers.Dense(WIDTH)(Counted()(image)))
    inner = keras.Model(image, x, name="inner")
    outer = keras.Sequential([keras.Input((4,)), layers.Rescaling(2.0), inner])
    both = feature_model(outer)
    calls.clear()
    both.call(ops.ones((1, 4)))
    assert len(calls) == 1


def test_batch_norm_moves_once_per_training_call(layouts, images):
    reference, classifier = (layouts["nested_last"]("linear") for _ in range(2))
    classifier.set_weights(reference.get_weights())
    reference(images, training=True)
    feature_model(classifier)(images, training=True)
    for expected, got in zip(
        reference.get_weights(), classifier.get_weights(), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["nested_last", "nested_twice", "backbone", "flat"])
def test_feature_layer_by_name_layer_and_tensor(layouts, name, images):
    classifier = layouts[name]("linear")
    path = {
        "nested_last": "flat/bn",
        "nested_twice": "nested_last/flat/bn",
        "backbone": "backbone/bn",
        "flat": "bn",
    }[name]
    layer = deep_layer(classifier, "bn")
    by_name = feature_model(classifier, path)(images)
    assert by_name[1].shape == (5, 3 * 3 * 4)
    np.testing.assert_allclose(by_name[0], classifier(images), rtol=1e-5, atol=1e-6)
    for place in (layer, layer.output):
        for got, expected in zip(
            feature_model(classifier, place)(images), by_name, strict=True
        ):
            np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_feature_layer_is_the_output_of_the_named_layer(layouts, images):
    classifier = layouts["flat"]("linear")
    np.testing.assert_array_equal(
        feature_model(classifier, "hidden")(images)[1],
        feature_model(classifier)(images)[1],
    )


class Scaled(layers.Layer):
    def call(self, x, factor=1.0):
        return factor * x


def test_call_arguments_are_kept(layouts, images):
    """factor=3.0 belongs to the call, not to the layer."""
    image = keras.Input((8, 8, 1))
    scaled = Scaled()(image, factor=3.0)
    classifier = keras.Model(image, layouts["flat"]("linear")(scaled))
    output, embedding = feature_model(classifier)(images)
    np.testing.assert_array_equal(output, classifier(images))
    model = keras.Model(image, find_embedding(classifier))
    np.testing.assert_allclose(model(images), embedding, rtol=1e-6)


def test_pooled_convolution_gives_the_pooled_map(images):
    """1x1 convolution, then global average: pooling commutes with it."""
    image = keras.Input((8, 8, 1))
    maps = layers.Conv2D(WIDTH, 3, activation="relu")(image)
    x = layers.Conv2D(3, 1, name="scores")(maps)
    x = layers.GlobalAveragePooling2D()(x)
    classifier = keras.Model(image, layers.Softmax()(x))
    output, embedding = feature_model(classifier)(images)
    pooled = np.mean(keras.Model(image, maps)(images), axis=(1, 2))
    np.testing.assert_allclose(embedding, pooled, rtol=1e-5, atol=1e-6)
    kernel, bias = classifier.get_layer("scores").get_weights()
    logits = ops.convert_to_numpy(embedding) @ kernel[0, 0] + bias
    np.testing.assert_allclose(output, ops.softmax(logits), rtol=1e-4)


def test_flatten_finds_a_free_name():
    image = keras.Input((4, 4, 1))
    x = layers.Conv2D(2, 3, name="maps")(image)
    x = layers.Dense(3)(layers.Flatten(name="embedding")(x))
    both = feature_model(keras.Model(image, x), "maps")
    assert both.outputs[1].shape == (None, 8)


def shared_twice():
    image = keras.Input((4,))
    shared = layers.Dense(4, name="shared")
    return keras.Model(image, layers.Dense(2)(shared(shared(image))))


def wide_last_convolution():
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(3, 3, name="conv")(image)
    return keras.Model(image, layers.GlobalAveragePooling2D(name="pool")(x))


@pytest.mark.parametrize(
    ("build", "place", "message"),
    [
        (shared_twice, "nothing", "feature_layer='nothing'.*dense.*shared"),
        (shared_twice, "shared/dense", "feature_layer='shared/dense'"),
        (shared_twice, "shared", "called 2 times. Pass the KerasTensor"),
        (shared_twice, layers.Dense(2), "Pass one of"),
        (wide_last_convolution, None, "feature_layer=None.*pool, conv"),
    ],
)
def test_errors_list_the_candidates(build, place, message):
    with pytest.raises(ValueError, match=f"`feature_layer` must .*{message}"):
        find_embedding(build(), place)


def test_candidates_include_nested_names(layouts):
    with pytest.raises(ValueError, match="flat/hidden"):
        find_embedding(layouts["nested_last"]("linear"), "hidden")


def test_unknown_size_is_refused():
    image = keras.Input((None, None, 1))
    maps = layers.Conv2D(4, 3, name="maps")(image)
    x = layers.Dense(2)(layers.GlobalAveragePooling2D()(maps))
    with pytest.raises(ValueError, match="known size"):
        find_embedding(keras.Model(image, x), "maps")
