"""Saturation: its values, its gradient, and the plain layers in its place."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import backend
from keras_mpat.layers import Saturation
from keras_mpat.models import behind_saturation, plain
from keras_mpat.models.saturated import saturation_of
from tests import toy

X = np.linspace(-0.2, 1.2, 29, dtype="float32")[:, None] + np.zeros((1, toy.FEATURES))
X = X.astype("float32")


def array(tensor):
    return ops.convert_to_numpy(tensor)


def test_values_and_gradient():
    layer = Saturation(0.31, 0.69)

    def objective(x):
        y = layer(x)
        return ops.sum(y, axis=-1), y

    gradient, _, values = backend.input_gradient(objective, ops.convert_to_tensor(X))
    expected = np.clip((X - 0.31) / 0.38, 0, 1)
    np.testing.assert_allclose(array(values), expected, atol=1e-6)
    np.testing.assert_allclose(array(gradient), 1 / 0.38, rtol=1e-5)
    outside = np.array([[-7.3, 0.4799, 0.50501, 0.61, 9.7]], "float32")
    steep = array(Saturation(0.48, 0.505)(outside))
    np.testing.assert_array_equal(steep, np.float32([[0, 0, 1, 1, 1]]))  # exactly


def test_proofs_are_those_of_the_plain_classifier():
    """Where the front is flat the ball is one point, and what is left is certain."""
    x, y = toy.data(60)
    classifier = behind_saturation(toy.net(), 0.31, 0.69)
    y = np.argmax(array(classifier(x)), axis=-1)
    for method, ball in (("ibp", mpat.Linf(0.05)), ("crown", mpat.Linf(0.1))):
        found = mpat.evaluation.certified(classifier, (x, y), ball, method=method)
        same = mpat.evaluation.certified(plain(classifier), (x, y), ball, method=method)
        np.testing.assert_array_equal(found, same)
        assert 0.05 < found.mean() < 0.95
    flat = np.where(x < 0.5, 0.0, 1.0).astype("float32")
    flat = flat[np.any(flat > 0, axis=-1)]  # of zeros all logits are 0
    y = np.argmax(array(classifier(flat)), axis=-1)
    ball = mpat.Linf(0.3)
    assert mpat.evaluation.certified(classifier, (flat, y), ball, method="ibp").all()


def test_the_plain_classifier_is_the_same_function_on_the_same_weights(tmp_path):
    inner = toy.net()
    classifier = behind_saturation(inner, 0.31, 0.69)
    without = plain(classifier)
    assert saturation_of(classifier).low == 0.31 and saturation_of(without) is None
    np.testing.assert_allclose(array(classifier(X)), array(without(X)), atol=1e-5)
    inner.layers[0].kernel.assign(2 * inner.layers[0].kernel)
    np.testing.assert_allclose(array(classifier(X)), array(without(X)), atol=1e-5)
    assert plain(inner) is inner and plain(without) is without
    without.save(tmp_path / "plain.keras")
    with keras.saving.custom_object_scope({}):
        loaded = keras.models.load_model(tmp_path / "plain.keras")
    assert not any("keras_mpat" in str(type(layer)) for layer in loaded.layers)
    classifier.save(tmp_path / "own.keras")
    again = keras.models.load_model(tmp_path / "own.keras")
    np.testing.assert_array_equal(array(again(X)), array(classifier(X)))


def test_training_attacks_go_through_it():
    """Points that no gradient of the plain classifier reaches."""
    x, y = toy.data()
    x = np.where(x < 0.5, 0.0, 1.0).astype("float32")  # all of them are cut off
    ball = mpat.Linf(0.4)
    classifier = behind_saturation(toy.net(), 0.31, 0.69)
    model = toy.model(mpat.training.PGDTraining(ball, steps=3), classifier=classifier)
    x_adv = array(model.perturb(ops.convert_to_tensor(x), y)["adversarial"])
    start = mpat.attacks.PGD(ball, steps=3, random_start=False)
    stuck = array(start(plain(classifier), ops.convert_to_tensor(x), y))
    np.testing.assert_array_equal(stuck, x)
    # Half of the directions lead out of the box.
    assert np.mean(np.abs(x_adv - x) > 0.35) > 0.2


def test_ends_out_of_order():
    with pytest.raises(ValueError, match="`low` must be a number below `high`"):
        Saturation(0.7, 0.3)
