"""Residual blocks against loops over pixels, with BatchNorm at rest.

The oracle is written for one image (H, W, C_in) with padding k // 2 on each side, the
way PyTorch computes the published nets.
"""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_mpat.models import _residual, resnet18, resnet50, wide_resnet


def _numpy(value):
    return ops.convert_to_numpy(value).astype("float64")


class Oracle:
    """Computes with the weights of a model, layer by layer name."""

    def __init__(self, model):
        self._model = model

    def convolve(self, x, name, strides=1):
        kernel = _numpy(self._model.get_layer(name).kernel)
        size = len(kernel)
        padded = np.pad(x, ((size // 2,) * 2, (size // 2,) * 2, (0, 0)))
        return np.array(
            [
                [
                    np.tensordot(padded[i : i + size, j : j + size], kernel, 3)
                    for j in range(0, x.shape[1], strides)
                ]
                for i in range(0, x.shape[0], strides)
            ]
        )

    def norm(self, x, name):
        layer = self._model.get_layer(name)
        mean, variance = _numpy(layer.moving_mean), _numpy(layer.moving_variance)
        return _numpy(layer.gamma) * (x - mean) / np.sqrt(variance + 1e-5) + _numpy(
            layer.beta
        )

    def norm_relu(self, x, name):
        return np.maximum(self.norm(x, name), 0.0)


def _basic(net, x, strides, projects):
    y = net.norm_relu(net.convolve(x, "b_conv1", strides), "b_bn1")
    y = net.norm(net.convolve(y, "b_conv2"), "b_bn2")
    return np.maximum(y + _projected(net, x, strides, projects), 0.0)


def _bottleneck(net, x, strides, projects):
    y = net.norm_relu(net.convolve(x, "b_conv1"), "b_bn1")
    y = net.norm_relu(net.convolve(y, "b_conv2", strides), "b_bn2")
    y = net.norm(net.convolve(y, "b_conv3"), "b_bn3")
    return np.maximum(y + _projected(net, x, strides, projects), 0.0)


def _projected(net, x, strides, projects):
    if not projects:
        return x
    return net.norm(net.convolve(x, "b_shortcut_conv", strides), "b_shortcut_bn")


def _preact(net, x, strides, projects):
    active = net.norm_relu(x, "b_bn1")
    shortcut = x
    if projects:
        shortcut = net.convolve(active, "b_shortcut_conv", strides)
    y = net.norm_relu(net.convolve(active, "b_conv1", strides), "b_bn2")
    return net.convolve(y, "b_conv2") + shortcut


def _randomize(model):
    rng = np.random.default_rng(1)
    for variable in model.variables:
        low = 0.5 if "variance" in variable.path else -1.0
        variable.assign(rng.uniform(low, 1.5, variable.shape))


def _image(*shape):
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize(
    ("block", "oracle", "widens"),
    [
        (_residual.basic_block, _basic, 1),
        (_residual.bottleneck, _bottleneck, 4),
        (_residual.preact_block, _preact, 1),
    ],
    ids=["basic", "bottleneck", "preact"],
)
@pytest.mark.parametrize("inside", [4, 8])
@pytest.mark.parametrize("strides", [1, 2])
def test_blocks(block, oracle, widens, inside, strides):
    filters = 8 // widens
    image = keras.Input((7, 6, inside))
    model = keras.Model(image, block(image, filters, strides, name="b"))
    _randomize(model)
    x = _image(7, 6, inside)
    expected = oracle(Oracle(model), x, strides, strides != 1 or inside != 8)
    actual = _numpy(model(x[None].astype("float32"), training=False))[0]
    assert actual.shape == expected.shape
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * scale)


def test_imagenet_stem():
    image = keras.Input((9, 7, 3))
    model = keras.Model(image, _residual.imagenet_stem(image, 2))
    _randomize(model)
    x = _image(9, 7, 3)
    oracle = Oracle(model)
    y = oracle.norm_relu(oracle.convolve(x, "stem_conv", 2), "stem_bn")
    y = np.pad(y, ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    expected = [
        [y[i : i + 3, j : j + 3].max(axis=(0, 1)) for j in range(0, y.shape[1] - 2, 2)]
        for i in range(0, y.shape[0] - 2, 2)
    ]
    actual = _numpy(model(x[None].astype("float32"), training=False))[0]
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("build", "last"),
    [
        (lambda: resnet18(2, width=2), (None, 4, 4, 16)),
        (lambda: resnet18(2, width=2, preact=True), (None, 4, 4, 16)),
        (lambda: resnet50(2, width=2), (None, 4, 4, 64)),
        (lambda: resnet50(2, width=2, stem="imagenet"), (None, 1, 1, 64)),
        (lambda: wide_resnet(2, depth=10, widen=3, width=2), (None, 8, 8, 24)),
    ],
    ids=["resnet18", "resnet18_preact", "resnet50", "resnet50_imagenet", "wrn_10_3"],
)
def test_the_last_map_is_rectified(build, last):
    """Pre-activation nets, too, pool what went through a BatchNorm and a ReLU."""
    model = build()
    pooled = model.get_layer("pool").input
    assert pooled.shape == last
    head = keras.Model(model.inputs[0], pooled)
    x = np.random.default_rng(0).random((2, 32, 32, 3), dtype="float32")
    values = _numpy(head(x, training=False))
    assert values.min() == 0.0 < values.max()


def test_dropout_stands_between_the_convolutions():
    model = wide_resnet(2, depth=10, widen=1, width=2, dropout=0.3)
    drops = [layer for layer in model.layers if isinstance(layer, layers.Dropout)]
    assert [drop.rate for drop in drops] == [0.3] * 3
    for stage, drop in enumerate(drops, start=1):
        block = f"stage{stage}_block1"
        assert drop.input is model.get_layer(f"{block}_relu2").output
        assert drop.output is model.get_layer(f"{block}_conv2").input
    plain = wide_resnet(2, depth=10, widen=1, width=2)
    assert not any(isinstance(layer, layers.Dropout) for layer in plain.layers)
