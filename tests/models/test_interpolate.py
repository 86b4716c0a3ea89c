"""interpolate: the straight line between two sets of weights."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat.models import interpolate
from tests import existing, toy


def pair(kind="nested"):
    """Two classifiers of one architecture with different weights and statistics."""
    classifiers = []
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        classifier, _ = existing.KINDS[kind]()
        classifier.set_weights(
            [rng.uniform(0.5, 1.5, w.shape) for w in classifier.get_weights()]
        )
        classifiers.append(classifier)
    return classifiers


@pytest.mark.parametrize("kind", existing.KINDS)
def test_weights_and_statistics_are_mixed(kind):
    first, second = pair(kind)
    middle = interpolate(first, second, 0.25)
    assert type(middle) is type(first)
    assert middle.name == first.name
    assert any("moving" in weight.path for weight in middle.weights)
    for one, other, mixed in zip(
        first.get_weights(), second.get_weights(), middle.get_weights(), strict=True
    ):
        np.testing.assert_allclose(mixed, 0.75 * one + 0.25 * other, rtol=1e-6)
    x = np.zeros((2, *existing.SHAPE), "float32")
    assert middle(x).shape == (2, existing.CLASSES)


@pytest.mark.parametrize("share", [0, 1])
def test_the_ends_are_bit_equal_and_nothing_is_shared(share):
    first, second = pair()
    end = interpolate(first, second, share)
    expected = [second, first][share == 0].get_weights()
    toy.assert_same(end.get_weights(), expected)
    end.set_weights([0 * weight for weight in end.get_weights()])
    toy.assert_same([first, second][share].get_weights(), expected)


def test_the_result_has_the_name_and_no_optimizer(tmp_path):
    first, second = pair()
    first.compile("sgd", loss="mse")
    middle = interpolate(first, second, 0.5, name="middle")
    assert middle.name == "middle"
    assert not middle.compiled
    middle.save(tmp_path / "middle.keras")
    loaded = keras.models.load_model(tmp_path / "middle.keras")
    toy.assert_same(loaded.get_weights(), middle.get_weights())


def test_on_a_linear_classifier_logits_lie_on_the_line():
    def linear():
        net = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
        net.layers[0].bias.assign(np.arange(3.0))
        return net

    first, second = linear(), linear()
    x = np.random.default_rng(0).random((5, 4), dtype="float32")
    logits = [ops.convert_to_numpy(net(x)) for net in (first, second)]
    np.testing.assert_allclose(
        interpolate(first, second, 0.3)(x),
        0.7 * logits[0] + 0.3 * logits[1],
        rtol=1e-5,
        atol=1e-6,
    )


def test_integers_are_not_averaged():
    class Counter(layers.Layer):
        def build(self, input_shape):
            self.count = self.add_weight(
                shape=(), dtype="int32", initializer="zeros", trainable=False
            )

        def call(self, x):
            return x

    def counting(value):
        counter = Counter()
        net = keras.Sequential([keras.Input((4,)), counter, layers.Dense(3)])
        counter.count.assign(value)
        return net

    with keras.saving.custom_object_scope({"Counter": Counter}):
        middle = interpolate(counting(3), counting(8), 0.5)
    assert int(middle.layers[0].count) == 3


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_the_line_is_refused(share):
    with pytest.raises(ValueError, match=r"`share` must be in \[0, 1\].*share="):
        interpolate(*pair(), share)


@pytest.mark.parametrize("kind", ["sequential", "subclassed"])
def test_another_architecture_is_refused(kind):
    first, _ = pair()
    second, _ = pair(kind)
    with pytest.raises(ValueError, match="`second` must have the architecture"):
        interpolate(first, second, 0.5)


def test_fewer_weights_are_refused():
    nets = [
        keras.Sequential(
            [keras.Input((4,)), layers.Dense(4), *[layers.Dense(4)] * extra]
        )
        for extra in (0, 1)
    ]
    with pytest.raises(ValueError, match="2 against 4 weights"):
        interpolate(*nets, 0.5)


def test_other_constants_are_named():
    nets = [
        mpat.models.lenet(2, input_shape=(8, 8, 1), mean=mean, std=std)
        for mean, std in ((0.0, 1.0), (0.5, 0.1))
    ]
    with pytest.raises(ValueError, match="`second` must differ from `first` by its"):
        interpolate(*nets, 0.5)


@pytest.mark.parametrize("share", ["x", None, np.nan])
def test_shares_that_are_no_numbers_are_named(share):
    with pytest.raises(ValueError, match="`share` must be in"):
        interpolate(*pair(), share)


def test_a_path_is_no_classifier():
    first, _ = pair()
    with pytest.raises(ValueError, match="`classifier` must be a keras.Model"):
        interpolate(first, "robust.keras", 0.5)
