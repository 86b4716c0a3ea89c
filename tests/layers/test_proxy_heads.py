"""ProxyNCAHead and ProxyAnchorHead: published values, invariances, start, use."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import models
from tests import toy
from tests.losses.gradients import gradient_of
from tests.oracles import normalized

X = np.array([[3.0, 0], [0.5, 0.5]], "float32")
PROXIES = np.array([[2.0, 0], [0, 5], [-0.1, 0]], "float32")
Y = np.array([0, 1])
HEADS = {"nca": mpat.ProxyNCAHead, "anchor": mpat.ProxyAnchorHead}
EACH = pytest.mark.parametrize("kind", HEADS.values(), ids=HEADS.keys())


def head_with(kind, proxies=PROXIES, **kwargs):
    """A built head with these proxies (C, D)."""
    head = kind(len(proxies), **kwargs)
    head.build((None, proxies.shape[-1]))
    head.proxies.assign(proxies)
    return head


def logits(head, x=X):
    return ops.convert_to_numpy(head.logits(ops.convert_to_tensor(x)))


def loss(head, x=X, y=Y):
    return float(head.loss()(y, head.logits(ops.convert_to_tensor(x))))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"scale": 1.0, "include_positive": False}, -0.90782354),
        ({"scale": 1.0}, 0.43260171),
        ({}, 0.34657359),
    ],
    ids=["paper", "with-positive", "default"],
)
def test_published_values_of_proxy_nca(arguments, expected):
    assert loss(head_with(mpat.ProxyNCAHead, **arguments)) == pytest.approx(
        expected, rel=1e-5
    )


def test_published_values_of_proxy_anchor():
    assert loss(head_with(mpat.ProxyAnchorHead)) == pytest.approx(9.68912345, rel=1e-5)
    head = head_with(mpat.ProxyAnchorHead, scale=4.0)
    assert loss(head) == pytest.approx(1.48559618, rel=1e-5)
    other = head_with(mpat.ProxyAnchorHead, scale=4.0, margin=0.5)
    assert loss(other) > loss(head) + 0.5


def test_similarities_are_those_of_directions():
    rng = np.random.default_rng(0)
    x, proxies = rng.normal(size=(5, 4)), rng.normal(size=(3, 4))
    x, proxies = x.astype("float32"), proxies.astype("float32")
    units = [[normalized(row) for row in part] for part in (x, proxies)]
    squared = [[np.sum((u - p) ** 2) for p in units[1]] for u in units[0]]
    cosines = [[np.dot(u, p) for p in units[1]] for u in units[0]]
    np.testing.assert_allclose(
        logits(head_with(mpat.ProxyNCAHead, proxies, scale=3.0), x),
        -3 * np.array(squared),
        rtol=1e-4,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        logits(head_with(mpat.ProxyAnchorHead, proxies, scale=3.0), x),
        3 * np.array(cosines),
        rtol=1e-4,
        atol=1e-5,
    )


@EACH
def test_lengths_of_embeddings_and_proxies_do_not_matter(kind):
    plain = logits(head_with(kind))
    longer = PROXIES * np.array([[10], [0.1], [3]], "float32")
    scaled = logits(head_with(kind, longer), 50 * X)
    np.testing.assert_allclose(scaled, plain, rtol=1e-5, atol=1e-4)


@EACH
def test_the_class_of_the_nearest_proxy_has_the_largest_logit(kind):
    x = np.array([[1, 0.2], [0.1, -1], [-1, 0.3]], "float32")
    proxies = np.array([[0, -2], [-3, 0], [0.5, 0]], "float32")
    assert list(logits(head_with(kind, proxies), x).argmax(-1)) == [2, 0, 1]


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_gradients_are_finite_at_zero_and_in_half_precision(kind, dtype):
    head = head_with(kind)
    for point in ([[0, 0], [0, 0]], [[0, 0], [300, 400]]):
        gradient = gradient_of(
            lambda x: head.loss()(Y, head.logits(x)), np.array(point), dtype
        )
        assert np.all(np.isfinite(gradient)) and not np.any(gradient[0])


@EACH
def test_one_trainable_weight_in_float32(kind):
    head = kind(3, dtype="float32")
    assert head(np.ones((5, 4), "float16")).shape == (5, 3)
    (proxies,) = head.weights
    assert tuple(proxies.shape) == (3, 4) and proxies.trainable
    assert keras.backend.standardize_dtype(proxies.dtype) == "float32"
    assert head.compute_output_shape((7, 4)) == (7, 3)


@pytest.mark.parametrize("classes", [2, 40])
def test_default_starts_are_the_published_ones(classes):
    for kind, expected in (
        (mpat.ProxyNCAHead, 0.125),
        (mpat.ProxyAnchorHead, np.sqrt(2 / classes)),
    ):
        head = kind(classes)
        head.build((None, 2000))
        values = ops.convert_to_numpy(head.proxies.value)
        assert values.std() == pytest.approx(expected, rel=0.05)
        assert abs(values.mean()) < 0.05 * expected


@EACH
def test_unit_start_is_random_directions_of_length_one(kind):
    head = kind(12, initializer="unit")
    head.build((None, 50))
    values = ops.convert_to_numpy(head.proxies.value)
    np.testing.assert_allclose(np.linalg.norm(values, axis=-1), 1.0, rtol=1e-5)
    assert np.abs(values @ values.T - np.eye(12)).max() < 0.75


@pytest.mark.parametrize(
    "initializer",
    ["unit", "orthogonal", keras.initializers.RandomNormal(stddev=0.25, seed=7)],
    ids=["unit", "by-name", "keras"],
)
@EACH
def test_config_round_trip(kind, initializer):
    special = {"include_positive": False}
    if kind is mpat.ProxyAnchorHead:
        special = {"margin": 0.2}
    head = kind(3, scale=10.0, initializer=initializer, name="proxies", **special)
    config = keras.saving.serialize_keras_object(head)
    twin = keras.saving.deserialize_keras_object(config)
    assert keras.saving.serialize_keras_object(twin) == config
    twin.build((None, 4))
    assert (twin.num_classes, twin.scale, twin.name) == (3, 10.0, "proxies")
    for name, value in special.items():
        assert getattr(twin, name) == value == twin.loss().get_config()[name]


@EACH
def test_replace_head_trains_with_its_loss_and_loads(kind, tmp_path):
    x, y = toy.data(32)
    head = kind(2)
    model = models.replace_head(toy.named(), head)
    model.compile(keras.optimizers.SGD(0.01), loss=head.loss(), metrics=["accuracy"])
    first = model.evaluate(x, y, verbose=0)[0]
    model.fit(x, y, epochs=10, batch_size=16, verbose=0)
    assert model.evaluate(x, y, verbose=0)[0] < first
    model.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


@EACH
def test_the_head_of_an_adversarial_model_keeps_float32_in_mixed_precision(kind):
    x, y = toy.data(16)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        classifier = toy.net()
    finally:
        keras.config.set_dtype_policy("float32")
    strategy = mpat.training.PGDTraining(mpat.Linf(0.1), steps=1)
    model = toy.model(strategy, classifier=classifier, head=kind(2))
    logs = model.fit(x, y, verbose=0).history
    assert np.isfinite(logs["head_loss"][0])
    values = ops.convert_to_numpy(model.head.proxies.value)
    assert values.dtype == "float32" and np.all(np.isfinite(values))


def test_sample_weights_of_an_adversarial_model_count_examples_in_proxy_anchor():
    x, y = toy.data(16)
    weights = np.array([2.0, 0, 1, 1] * 4, "float32")
    strategy = mpat.training.StandardTraining()
    model = toy.model(strategy, head=mpat.ProxyAnchorHead(2), learning_rate=0.0)
    logs = model.fit(
        x, y, batch_size=16, sample_weight=weights, shuffle=False, verbose=0
    ).history
    repeated = np.repeat(np.arange(16), weights.astype(int))
    embedding = model._features.model(x, training=True)[1]
    found = model.head.logits(embedding)
    expected = model.head.loss()(y[repeated], ops.convert_to_numpy(found)[repeated])
    assert logs["head_loss"][0] == pytest.approx(float(expected), rel=1e-4)


@EACH
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"num_classes": 1}, "num_classes"),
        ({"num_classes": 2.5}, "num_classes"),
        ({"scale": 0.0}, "scale"),
        ({"scale": float("nan")}, "scale"),
        ({"initializer": "soft_triple"}, "initializer"),
    ],
    ids=repr,
)
def test_wrong_arguments_are_named(kind, arguments, named):
    arguments = {"num_classes": 3, **arguments}
    with pytest.raises(ValueError, match=f"^`{named}` must be .* Received: "):
        kind(arguments.pop("num_classes"), **arguments)


@EACH
def test_embeddings_that_are_maps_are_named(kind):
    with pytest.raises(ValueError, match="^`embeddings` must have the shape"):
        kind(3)(np.zeros((2, 4, 4, 3), "float32"))
