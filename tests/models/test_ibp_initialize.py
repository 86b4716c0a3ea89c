"""Weights for interval bounds: their spread, and boxes that keep their size."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_mpat.models import behind_saturation, ibp_initialize, lenet
from keras_mpat.models.interval import IntervalBounds

# Fan-ins by hand: channels times window; of a depthwise convolution the window.
FAN_INS = {
    "Dense": (lambda: layers.Dense(50), (300,), 300),
    "Conv1D": (lambda: layers.Conv1D(60, 5), (9, 20), 100),
    "Conv2D": (lambda: layers.Conv2D(60, (3, 4)), (6, 6, 20), 240),
    "Conv3D": (lambda: layers.Conv3D(60, 2), (4, 4, 4, 20), 160),
    "grouped": (lambda: layers.Conv2D(60, 3, groups=2), (6, 6, 20), 90),
    "DepthwiseConv1D": (lambda: layers.DepthwiseConv1D(5), (9, 900), 5),
    "DepthwiseConv2D": (
        lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
        (6, 6, 300),
        9,
    ),
}


def radius(bounds):
    low, high = map(ops.convert_to_numpy, bounds)
    return float(np.mean(high - low)) / 2


@pytest.mark.parametrize("name", FAN_INS)
def test_spread_of_each_kind_of_kernel(name):
    layer, shape, fan_in = FAN_INS[name]
    classifier = keras.Sequential([keras.Input(shape), layer()])
    assert ibp_initialize(classifier, seed=1) is classifier
    kernel = ops.convert_to_numpy(classifier.layers[0].kernel)
    expected = np.sqrt(2 * np.pi) / fan_in
    assert np.std(kernel) == pytest.approx(expected, rel=0.06)
    assert np.mean(kernel) == pytest.approx(0, abs=5 * expected / kernel.size**0.5)


def test_a_box_doubles_and_a_relu_halves_it():
    """E|w| = sqrt(2/pi) deviation, n products: twice the radius, whatever n."""
    image = keras.Input((400,))
    x = layers.Dense(900)(image)
    classifier = keras.Model(image, layers.Dense(700)(layers.ReLU()(x)))
    ibp_initialize(classifier, seed=2)
    one = ops.convert_to_tensor(np.ones((1, 400), "float32"))
    first = IntervalBounds(keras.Model(image, x)).boxes(-one, one)
    assert radius(first) == pytest.approx(2, rel=0.03)
    whole = IntervalBounds(classifier).boxes(-one, one)
    assert radius(whole) == pytest.approx(2, rel=0.05)


def test_nested_nets_are_reached_and_the_rest_stays():
    inner = lenet(3, input_shape=(8, 8, 1), filters=(2, 4), units=6)
    before = {weight.path: ops.convert_to_numpy(weight) for weight in inner.weights}
    keras.utils.set_random_seed(5)
    ibp_initialize(behind_saturation(inner, 0.31, 0.69))
    first = [ops.convert_to_numpy(weight) for weight in inner.weights]
    for weight, now in zip(inner.weights, first, strict=True):
        changed = not np.array_equal(now, before[weight.path])
        assert changed == (weight.name == "kernel")
    keras.utils.set_random_seed(5)
    ibp_initialize(inner)
    for weight, now in zip(inner.weights, first, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), now)
    ibp_initialize(inner, seed=6)
    apart = zip(inner.weights, first, strict=True)
    same = [np.array_equal(ops.convert_to_numpy(now), then) for now, then in apart]
    assert same == [weight.name != "kernel" for weight in inner.weights]


def test_sums_of_branches_add_up_as_the_docstring_says():
    image = keras.Input((400,))
    x = layers.Dense(400)(image)
    classifier = keras.Model(image, layers.Add()([x, image]))
    ibp_initialize(classifier, seed=3)
    one = ops.convert_to_tensor(np.ones((1, 400), "float32"))
    assert radius(IntervalBounds(classifier).boxes(-one, one)) == pytest.approx(3, 0.05)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: keras.Sequential([keras.Input((4,)), layers.ReLU()]), "without any"),
        (lambda: keras.Sequential([layers.Dense(3)]), "unbuilt"),
        (lambda: keras.Model(), "cannot be read"),
        (
            lambda: keras.Sequential(
                [keras.Input((4, 4, 1)), layers.Conv2DTranspose(2, 3), layers.Dense(3)]
            ),
            "Conv2DTranspose",
        ),
    ],
)
def test_what_has_no_kernels_is_refused(build, text):
    with pytest.raises(ValueError, match=text):
        ibp_initialize(build())
