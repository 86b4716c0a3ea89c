"""embeddings: against NumPy, whatever the batch size, at the model's feature place."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import evaluation
from tests import toy


def trained():
    """A model whose BatchNorm averages are not those of any batch."""
    model = toy.model(mpat.training.StandardTraining())
    norm = model.classifier.layers[1]
    rng = np.random.default_rng(3)
    for variable in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance):
        variable.assign(rng.uniform(0.5, 2.0, variable.shape))
    return model


def oracle(model, x):
    dense, norm = model.classifier.layers[:2]
    kernel, bias = toy.values((dense.kernel, dense.bias))
    gamma, beta, mean, variance = toy.values(
        (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    )
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return np.maximum((x @ kernel + bias - mean) * scale + beta, 0.0)


@pytest.mark.parametrize("batch_size", [1, 5, 16, 100])
def test_the_input_of_the_last_layer_with_batch_norm_on_its_averages(batch_size):
    model, (x, _) = trained(), toy.data(17)
    before = toy.values(model.variables)
    latent = evaluation.embeddings(model, x, batch_size=batch_size)
    assert latent.shape == (17, 8) and latent.dtype == "float32"
    np.testing.assert_allclose(latent, oracle(model, x), rtol=1e-5, atol=1e-6)
    toy.assert_same(toy.values(model.variables), before)


def test_dropout_is_off():
    steps = [layers.Dense(5), layers.Dropout(0.9), layers.Dense(2)]
    net = keras.Sequential([keras.Input((4,)), *steps])
    model = toy.model(mpat.training.StandardTraining(), classifier=net)
    x, _ = toy.data(9)
    expected = ops.convert_to_numpy(steps[0](x))
    latent = evaluation.embeddings(model, ops.convert_to_tensor(x))
    np.testing.assert_allclose(latent, expected, rtol=1e-5)


def test_the_feature_place_of_the_model():
    options = {"head": toy.head(), "feature_layer": "hidden"}
    net = toy.named()
    model = toy.model(mpat.training.StandardTraining(), classifier=net, **options)
    x, _ = toy.data(6)
    expected = ops.convert_to_numpy(net.get_layer("hidden")(x))
    np.testing.assert_allclose(evaluation.embeddings(model, x), expected, rtol=1e-5)
    assert expected.min() < 0  # the input of the last layer is not
