"""losses.SoftTriple: the margin on the true class, label forms, configuration."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from tests import oracles

S = np.array([[0.65518493, 0.94763048], [0.8943105, 0.76265375]], "float32")
Y = [0, 1]


def values(loss, y, logits):
    return ops.convert_to_numpy(loss(np.asarray(y), ops.convert_to_tensor(logits)))


def test_published_vector():
    loss = mpat.losses.SoftTriple(margin=0.01, scale=20, reduction="none")
    np.testing.assert_allclose(
        values(loss, Y, 20 * S), [6.05126862, 2.89029768], rtol=1e-5
    )
    mean = mpat.losses.SoftTriple(margin=0.01, scale=20)
    assert float(values(mean, Y, 20 * S)) == pytest.approx(4.47078315, rel=1e-5)


@pytest.mark.parametrize("margin", [0.0, 0.01, 0.5])
@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_matches_the_oracle(margin, scale):
    rng = np.random.default_rng(1)
    similarities = rng.uniform(-1, 1, (8, 5)).astype("float32")
    y = rng.integers(0, 5, 8)
    loss = mpat.losses.SoftTriple(margin, scale, reduction="none")
    np.testing.assert_allclose(
        values(loss, y, scale * similarities),
        oracles.soft_triple_losses(similarities, y, margin, scale),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    "y",
    [
        np.array(Y, "int32"),
        np.array(Y, "int64"),
        np.array(Y, "uint8"),
        np.array(Y, "float32"),
        np.array(Y, "int32")[:, None],
        np.eye(2, dtype="float32")[Y],
        np.eye(2, dtype="int32")[Y],
    ],
    ids=lambda y: f"{y.dtype}{y.shape}",
)
def test_label_forms_agree(y):
    loss = mpat.losses.SoftTriple(reduction="none")
    np.testing.assert_allclose(
        values(loss, y, 20 * S), [6.05126862, 2.89029768], rtol=1e-5
    )


def test_sample_weight_multiplies_examples():
    loss = mpat.losses.SoftTriple(reduction="sum")
    weighted = loss(np.array(Y), 20 * S, sample_weight=np.array([0.0, 2.0]))
    assert float(weighted) == pytest.approx(2 * 2.89029768, rel=1e-5)


def test_large_logits_stay_finite():
    loss = mpat.losses.SoftTriple(scale=1e4, reduction="none")
    result = values(loss, Y, 1e4 * S)
    assert np.all(np.isfinite(result))
    np.testing.assert_allclose(
        result, oracles.soft_triple_losses(S, Y, 0.01, 1e4), rtol=1e-4
    )


def test_config_round_trip():
    loss = mpat.losses.SoftTriple(0.2, 7.0, reduction="sum", name="modes")
    config = keras.saving.serialize_keras_object(loss)
    twin = keras.saving.deserialize_keras_object(config)
    assert keras.saving.serialize_keras_object(twin) == config
    assert (twin.margin, twin.scale, twin.reduction) == (0.2, 7.0, "sum")
    assert twin.name == "modes"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"margin": -0.01}, "margin"),
        ({"margin": float("nan")}, "margin"),
        ({"scale": 0.0}, "scale"),
        ({"scale": float("nan")}, "scale"),
    ],
    ids=repr,
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=f"^`{named}` must be .* Received: "):
        mpat.losses.SoftTriple(**arguments)
