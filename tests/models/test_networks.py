"""Architectures: sizes, outputs, embeddings, normalization, BatchNorm constants."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_mpat import Linf, backend
from keras_mpat.attacks import PGD
from keras_mpat.models import (
    _residual,
    feature_model,
    lenet,
    lenet_tla,
    medium_cnn,
    resnet18,
    resnet50,
    small_cnn,
    wide_resnet,
)
from keras_mpat.objectives import CrossEntropy

DIGITS, COLOR = (8, 8, 1), (16, 16, 3)
SMALL = {
    "lenet": lambda **kw: lenet(3, input_shape=DIGITS, filters=(2, 4), units=6, **kw),
    "lenet_tla": lambda **kw: lenet_tla(
        3, input_shape=DIGITS, **{"filters": (2, 2, 3, 3), "units": 6, **kw}
    ),
    "small_cnn": lambda **kw: small_cnn(3, input_shape=(16, 16, 1), units=6, **kw),
    "medium_cnn": lambda **kw: medium_cnn(
        3, input_shape=DIGITS, filters=(2, 3, 3, 4), units=6, **kw
    ),
    "resnet18": lambda **kw: resnet18(
        3, input_shape=DIGITS, width=2, **{"mean": 0.5, "std": 0.25, **kw}
    ),
    "resnet18_preact": lambda **kw: resnet18(
        3, input_shape=COLOR, width=2, preact=True, **kw
    ),
    "resnet50": lambda **kw: resnet50(3, input_shape=COLOR, width=2, **kw),
    "wide_resnet": lambda **kw: wide_resnet(
        3, depth=10, widen=2, input_shape=COLOR, width=2, **kw
    ),
}


@pytest.fixture(scope="module")
def networks():
    keras.utils.set_random_seed(1)
    return {name: build() for name, build in SMALL.items()}


@pytest.fixture(params=SMALL)
def network(request, networks):
    return networks[request.param]


def count(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def batch(model, size=4):
    shape = (size, *model.input_shape[1:])
    return np.random.default_rng(0).random(shape, dtype="float32")


@pytest.mark.parametrize(
    ("build_full", "parameters", "width"),
    [
        # By hand: 4x4 convolutions, BatchNorms, 1568 -> 100 -> 10.
        (lenet, 256 + 32 + 8192 + 64 + 156_800 + 200 + 1010, 100),
        (small_cnn, 312_202, 200),
        # By hand: 3x3, 4x4, 3x3 and 4x4 convolutions, BatchNorms, 3136 -> 100 -> 10.
        (medium_cnn, 288 + 16_384 + 18_432 + 65_536 + 384 + 313_600 + 200 + 1010, 100),
        (resnet18, 11_173_962, 512),
        (resnet50, 23_520_842, 2048),
        (wide_resnet, 46_160_474, 640),
        # By hand: 3x3 convolutions, BatchNorms, 7 * 7 * 256 -> 1024 -> 10.
        (lenet_tla, 9 * 43_040 + 2 * 480 + 12_845_056 + 2 * 1024 + 10_250, 1024),
    ],
)
def test_published_sizes(build_full, parameters, width):
    model = build_full()
    assert count(model) == parameters
    logits, embedding = feature_model(model).outputs
    assert logits.shape == (None, 10)
    assert embedding.shape == (None, width)


def test_ends_in_logits(network):
    model, x = network, batch(network)
    assert model.layers[-1].activation is keras.activations.linear
    y, embedding = feature_model(model).predict_on_batch(x)
    assert y.shape == (4, 3)
    kernel, bias = map(ops.convert_to_numpy, model.layers[-1].weights)
    np.testing.assert_allclose(y, embedding @ kernel + bias, rtol=1e-4, atol=1e-5)


def test_one_step_of_pgd(network):
    """With the least likely class as label: of a sure net, CE's own gradient is 0."""
    x = batch(network)

    def logits_fn(x):
        return network(x, training=False)

    y = np.argmin(ops.convert_to_numpy(logits_fn(x)), axis=-1)

    def objective(x):
        logits = logits_fn(x)
        return CrossEntropy()(y, logits), logits

    gradient, _, _ = backend.input_gradient(objective, ops.convert_to_tensor(x))
    gradient = ops.convert_to_numpy(gradient)
    assert np.all(np.isfinite(gradient))
    assert np.all(np.max(np.abs(gradient), axis=(1, 2, 3)) > 1e-6)
    attacked = PGD(Linf("8/255"), steps=1)(logits_fn, x, y, seed=0)
    attacked = ops.convert_to_numpy(attacked)
    assert np.all(np.isfinite(logits_fn(attacked)))
    assert 0.0 <= attacked.min() and attacked.max() <= 1.0
    assert 7.9 / 255 < np.max(np.abs(attacked - x)) <= 8 / 255 + 1e-6


def test_normalization_is_the_first_layer(network):
    assert isinstance(network.layers[1], layers.Normalization)


def test_normalization_divides_by_std():
    raw, scaled = SMALL["lenet"](mean=0.0, std=1.0), SMALL["lenet"](mean=0.2, std=0.5)
    scaled.set_weights(raw.get_weights())
    x = batch(raw)
    np.testing.assert_allclose(raw((x - 0.2) / 0.5), scaled(x), rtol=1e-3, atol=1e-4)


def test_normalization_per_channel():
    model = resnet18(3, input_shape=(8, 8, 3), width=2)
    normalized = keras.Model(model.inputs[0], model.layers[1].output)
    x = batch(model)
    mean = np.array([0.4914, 0.4822, 0.4465])
    std = np.array([0.2471, 0.2435, 0.2616])
    np.testing.assert_allclose(normalized(x), (x - mean) / std, rtol=1e-5, atol=1e-6)


def test_batch_norm_has_the_published_constants(networks):
    norms = [
        layer
        for name in ("lenet", "resnet18", "resnet50", "wide_resnet")
        for layer in networks[name].layers
        if isinstance(layer, layers.BatchNormalization)
    ]
    assert len(norms) == 3 + 20 + 53 + 7
    assert {(norm.momentum, norm.epsilon) for norm in norms} == {(0.9, 1e-5)}


def test_strided_convolutions_pad_on_both_sides(networks):
    """At stride 2 PyTorch's centers are pixels 0, 2, …; 'same' takes 1, 3, …"""
    image = keras.Input((8, 8, 1))
    model = keras.Model(image, _residual.conv3x3(image, 1, 2, name="conv"))
    kernel = np.zeros((3, 3, 1, 1))
    kernel[1, 1] = 1.0
    model.set_weights([kernel])
    x = np.arange(64, dtype="float32").reshape(1, 8, 8, 1)
    np.testing.assert_array_equal(model(x), x[:, ::2, ::2])
    strided = [
        layer.name
        for layer in networks["resnet18"].layers
        if isinstance(layer, layers.Conv2D) and layer.strides == (2, 2)
    ]
    assert len(strided) == 6
    padded = {f"stage{stage}_block1_conv1_pad" for stage in (2, 3, 4)}
    assert padded <= {layer.name for layer in networks["resnet18"].layers}


def test_kernels_are_he_normal():
    keras.utils.set_random_seed(0)
    model = SMALL["lenet_tla"](filters=(2, 2, 64, 64), units=256)
    hidden = ops.convert_to_numpy(model.get_layer("hidden_dense").kernel.value)
    assert np.std(hidden) == pytest.approx(np.sqrt(2 / hidden.shape[0]), rel=0.02)
    conv = ops.convert_to_numpy(model.get_layer("block4_conv").kernel.value)
    assert np.std(conv) == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.05)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: lenet(1), "num_classes"),
        (lambda: lenet(std=0.0), "std"),
        (lambda: lenet(std=(0.3, 0.3, 0.3)), "std"),
        (lambda: resnet18(mean=float("nan")), "mean"),
        (lambda: small_cnn(input_shape=(12, 12, 1)), "input_shape"),
        (lambda: medium_cnn(filters=(16, 32)), "filters"),
        (lambda: medium_cnn(filters=16), "filters"),
        (lambda: lenet(filters=(16, 32, 32, 64)), "filters"),
        (lambda: lenet(filters=()), "filters"),
        (lambda: lenet_tla(filters=(32, 64)), "filters"),
        (lambda: resnet50(stem="cifar10"), "stem"),
        (lambda: wide_resnet(depth=28.0), "depth"),
        (lambda: wide_resnet(depth=10, widen=0), "widen"),
        (lambda: wide_resnet(depth=10, width=1.5), "width"),
    ],
)
def test_errors_name_the_argument(build, message):
    with pytest.raises(ValueError, match=f"`{message}` must .*Received"):
        build()


@pytest.mark.parametrize(
    ("depth", "nearest"), [(32, "28 or 34"), (18, "16 or 22"), (4, "10"), (9, "10")]
)
def test_a_wrong_depth_is_told_the_nearest(depth, nearest):
    message = rf"`depth` must be 6 n \+ 4 .* depth={depth}\. The nearest: {nearest}\."
    with pytest.raises(ValueError, match=message):
        wide_resnet(depth=depth)


@pytest.mark.parametrize("make", [resnet18, resnet50, wide_resnet])
def test_channels_are_where_the_configuration_of_keras_has_them(make):
    options = {"width": 2} if make is not wide_resnet else {"depth": 10, "widen": 2}
    last = make(3, input_shape=COLOR, **options)
    keras.config.set_image_data_format("channels_first")
    try:
        first = make(3, input_shape=(3, 16, 16), **options)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert [w.shape for w in first.weights] == [w.shape for w in last.weights]
    first.set_weights(last.get_weights())
    x = np.random.default_rng(0).random((2, *COLOR), "float32")
    if backend.NAME == "jax":  # TensorFlow has such convolutions on accelerators
        expected = ops.convert_to_numpy(last(x))
        found = ops.convert_to_numpy(first(np.moveaxis(x, -1, 1)))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
