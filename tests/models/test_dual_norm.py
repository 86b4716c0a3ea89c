"""Dual BatchNormalization: what is shared, what moves, what can be saved alone."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_mpat import models

SMALL = {"input_shape": (8, 8, 1), "filters": (2, 4), "units": 6}


def data(count=32):
    rng = np.random.default_rng(0)
    return rng.random((count, 8, 8, 1), dtype="float32"), np.arange(count) % 3


def statistics(model):
    return [
        ops.convert_to_numpy(weight.value)
        for layer in model.layers
        if isinstance(layer, layers.BatchNormalization)
        for weight in layer.weights
    ]


def outputs(model, x, training=False):
    return ops.convert_to_numpy(model(x, training=training))


def train(model, x, y):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    model.fit(x, y, batch_size=16, epochs=2, verbose=0)


def test_all_but_the_norms_is_shared():
    classifier = models.lenet(3, **SMALL)
    standard, adversarial = models.dual_norm(classifier)
    x, _ = data()
    np.testing.assert_array_equal(outputs(standard, x), outputs(classifier, x))
    np.testing.assert_array_equal(outputs(adversarial, x), outputs(classifier, x))
    pairs = zip(standard.layers, adversarial.layers, strict=True)
    for one, other in pairs:
        assert one.name == other.name
        if not isinstance(one, layers.InputLayer):
            norm = isinstance(one, layers.BatchNormalization)
            assert (one is other) != norm
    shared = {id(w) for w in standard.weights} & {id(w) for w in adversarial.weights}
    assert len(standard.weights) - len(shared) == 4 * 3


@pytest.mark.parametrize("trained", ["standard", "adversarial"])
def test_only_the_named_statistics_move_and_outputs_part(trained):
    x, y = data()
    pair = models.dual_norm(models.lenet(3, **SMALL))._asdict()
    one, other = pair.pop(trained), *pair.values()
    before, kept = statistics(one), statistics(other)
    train(one, x, y)
    for old, new in zip(before, statistics(one), strict=True):
        assert not np.array_equal(old, new)
    for old, new in zip(kept, statistics(other), strict=True):
        np.testing.assert_array_equal(old, new)
    gap = np.abs(outputs(one, x) - outputs(other, x)).max()
    assert gap > 0.01
    # The kernels are one: what differs is the norms alone.
    for source, target in zip(one.layers, other.layers, strict=True):
        target.set_weights(source.get_weights())
    np.testing.assert_array_equal(outputs(one, x), outputs(other, x))


@pytest.mark.parametrize("kept", ["standard", "adversarial"])
def test_either_half_is_a_plain_classifier(kept, tmp_path):
    x, y = data()
    classifier = models.lenet(3, **SMALL)
    pair = models.dual_norm(classifier)
    train(pair.standard, x, y)
    half = getattr(pair, kept)
    half.save(tmp_path / "half.keras")
    again = keras.saving.load_model(tmp_path / "half.keras", compile=False)
    np.testing.assert_allclose(outputs(again, x), outputs(half, x), atol=1e-6)
    assert len(again.weights) == len(classifier.weights)
    if kept == "adversarial":
        np.testing.assert_array_equal(outputs(half, x), outputs(classifier, x))


def test_norms_inside_nested_models_are_doubled_too():
    inner = models.lenet(3, **SMALL)
    image = keras.Input((8, 8, 1))
    nested = keras.Model(image, inner(layers.Rescaling(0.5)(image)))
    standard, adversarial = models.dual_norm(nested)
    x, _ = data()
    np.testing.assert_array_equal(outputs(standard, x), outputs(adversarial, x))
    before = inner.get_weights()
    standard(x, training=True)
    for old, new in zip(before, inner.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert np.abs(outputs(standard, x) - outputs(adversarial, x)).max() > 1e-3


def test_a_classifier_without_norms_is_refused():
    plain = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="plain")
    with pytest.raises(ValueError, match="BatchNormalization layers.*'plain'"):
        models.dual_norm(plain)
