"""models/twin.py: what attacks with a dtype of their own see."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat.models.twin import Twin
from tests import toy

BALL = mpat.Linf(0.1)


def _shuffled(net, seed=0):
    """The same net with weights and averages that a training may have left."""
    rng = np.random.default_rng(seed)
    for weight in net.weights:
        value = ops.convert_to_numpy(weight)
        noise = rng.uniform(0.5, 1.5, value.shape)
        sign = 1 if "variance" in weight.name else rng.choice([-1, 1], value.shape)
        weight.assign(sign * noise * (np.abs(value).mean() + 0.1))
    return net


def _shared():
    """A convolution that is called twice, and one whose output is read twice."""
    image = keras.Input((8, 8, 2))
    twice = layers.Conv2D(2, 3, padding="same", name="twice")
    x = layers.BatchNormalization()(twice(twice(image)))
    read = layers.Conv2D(3, 3, name="read")(x)
    x = layers.Add()([layers.BatchNormalization()(read), read])
    active = layers.Conv2D(3, 1, activation="relu", name="active")(x)
    x = layers.Flatten()(layers.BatchNormalization()(active))
    return keras.Model(image, layers.Dense(3)(x))


def _nested():
    inner = keras.Sequential(
        [keras.Input((8, 8, 2)), layers.Conv2D(3, 3), layers.BatchNormalization()],
        name="inner",
    )
    dropped = layers.Dropout(0.5)
    return keras.Sequential(
        [keras.Input((8, 8, 2)), inner, dropped, layers.Flatten(), layers.Dense(3)]
    )


def _functional_within():
    image = keras.Input((8, 8, 2))
    x = layers.BatchNormalization()(layers.Conv2D(2, 3, padding="same")(image))
    inner = keras.Model(image, layers.Add()([x, image]), name="inner")
    ends = [layers.Lambda(lambda z: 2 * z), layers.Flatten(), layers.Dense(3)]
    return keras.Sequential([keras.Input((8, 8, 2)), inner, *ends])


def _unscaled():
    norm = layers.BatchNormalization(scale=False, center=False, axis=1)
    parts = [layers.Dense(5, use_bias=False), norm, layers.ReLU(), layers.Dense(2)]
    return keras.Sequential([keras.Input((4,)), *parts])


# Net, and how many of its BatchNorm layers stay.
NETS = {
    "lenet": (lambda: mpat.models.lenet(3, input_shape=(8, 8, 1)), 0),
    "resnet18": (lambda: mpat.models.resnet18(3, width=2, input_shape=(8, 8, 3)), 0),
    "preact": (
        lambda: mpat.models.resnet18(3, width=2, input_shape=(8, 8, 3), preact=True),
        9,
    ),
    "shared": (_shared, 3),
    "nested": (_nested, 0),
    "functional within, lambda": (_functional_within, 0),
    "unscaled": (_unscaled, 0),
    "dense": (toy.net, 0),
}
EVERY = pytest.mark.parametrize(("make", "left"), NETS.values(), ids=NETS.keys())


def _numpy(tensor):
    return ops.convert_to_numpy(tensor)


@EVERY
def test_the_twin_computes_the_logits_of_its_classifier(make, left):
    net = _shuffled(make())
    x = np.random.default_rng(1).uniform(size=(6, *net.input_shape[1:]))
    x = x.astype("float32")
    twin = Twin(net, "float32")
    expected = _numpy(net(x, training=False))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(_numpy(twin.logits_fn()(x)), expected, atol=1e-5 * scale)
    assert twin.norms_left == left
    rough = Twin(net, "bfloat16").logits_fn()(x)
    assert keras.backend.standardize_dtype(rough.dtype) == "float32"
    assert 0 < np.abs(_numpy(rough) - expected).max() < 0.1 * scale


def test_the_twin_follows_the_weights():
    net = toy.net()
    twin, (x, _) = Twin(net, "float32"), toy.data(8)
    before = _numpy(twin.logits_fn()(x))
    _shuffled(net)
    after = _numpy(twin.logits_fn()(x))
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, _numpy(net(x, training=False)), atol=1e-5)


def test_the_classifier_has_the_layers_and_weights_of_before():
    net = toy.net()
    names = [weight.path for weight in net.weights]
    strategy = mpat.training.PGDTraining(BALL, steps=1, attack_dtype="bfloat16")
    model = toy.model(strategy, classifier=net)
    plain = toy.model(mpat.training.PGDTraining(BALL, steps=1))
    assert [weight.path for weight in net.weights] == names
    assert len(model.weights) == len(plain.weights)
    assert {layer.compute_dtype for layer in net.layers} == {"float32"}


@pytest.mark.parametrize("kind", ["pgd", "fast", "logit_pairing", "any"])
def test_the_attack_on_the_twin_is_that_on_the_classifier(kind):
    make = {
        "pgd": lambda **own: mpat.training.PGDTraining(BALL, steps=3, **own),
        "fast": lambda **own: mpat.training.FastTraining(BALL, **own),
        "logit_pairing": lambda **own: mpat.training.LogitPairingTraining(
            BALL, steps=3, **own
        ),
        "any": lambda **own: mpat.training.AdversarialTraining(
            mpat.attacks.CW(BALL, steps=3), **own
        ),
    }[kind]
    x, y = toy.data(32)
    found = {}
    for dtype in (None, "float32", "bfloat16"):
        model = toy.model(make(attack_dtype=dtype))
        found[dtype] = _numpy(model.perturb(x, y)["adversarial"])
        assert np.abs(found[dtype] - x).max() <= 0.1 + 1e-6
        assert found[dtype].dtype == np.float32
    close = np.abs(found["float32"] - found[None]) < 1e-4
    assert close.mean() > 0.98
    rough = np.abs(found["bfloat16"] - found[None]) < 1e-4
    assert rough.mean() > 0.8  # steps are signs: most of them are the same


class _Bare(layers.Layer):
    """A layer with weights that cannot be made again."""

    def __init__(self, factor):
        super().__init__()
        self.factor = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        return x * self.factor


def test_a_layer_that_cannot_be_copied_is_named():
    parts = [keras.Input((4,)), layers.Dense(3), _Bare(2.0), layers.Dense(2)]
    with pytest.raises(ValueError, match="Received: _Bare .* Give it get_config"):
        Twin(keras.Sequential(parts), "float32")


def test_a_strategy_without_a_dtype_makes_no_twin():
    model = toy.model(mpat.training.PGDTraining(BALL, steps=1))
    assert not hasattr(model, "_twin")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: mpat.training.PGDTraining(BALL, attack_dtype="float16"),
            "`attack_dtype` must be one of float32, bfloat16. Received: .*float16",
        ),
        (
            lambda: mpat.training.FastTraining(
                BALL, attack_dtype="bfloat16", norm_mode="batch_stats"
            ),
            "is for attacks on the cross-entropy in inference mode. .*norm_mode='batch",
        ),
        (
            lambda: mpat.training.FreeTraining(BALL, attack_dtype="bfloat16"),
            "in FreeTraining with norm_mode='eval'. Leave it out",
        ),
        (
            lambda: mpat.training.ATLDTraining(BALL, attack_dtype="bfloat16"),
            "in ATLDTraining with",
        ),
        (
            lambda: mpat.training.TRADESTraining(BALL, attack_dtype="bfloat16"),
            "in TRADESTraining with",
        ),
        (
            lambda: mpat.training.FeatureScatteringTraining(
                BALL, attack_dtype="float32"
            ),
            "in FeatureScatteringTraining with",
        ),
        (
            lambda: toy.model(
                mpat.training.PGDTraining(BALL, attack_dtype="bfloat16"),
                classifier=toy.Opaque(),
            ),
            "needs a functional classifier that predicts itself. .*Opaque",
        ),
        (
            lambda: toy.model(
                mpat.training.PGDTraining(BALL, attack_dtype="bfloat16"),
                head=toy.head(),
                predict_from="head",
            ),
            "predict_from='head'",
        ),
    ],
)
def test_what_has_no_twin_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
