"""Half precision: the same robustness, no NaN, and nothing leaves the ball."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import backend

BALL = mpat.Linf(0.1)
ATTACK = mpat.attacks.PGD(BALL, steps=10)
POLICIES = ("mixed_float16", "mixed_bfloat16")
EPOCHS = 3


@functools.lru_cache(maxsize=1)
def data():
    """Training and test images of 0-4 against 5-9."""
    train = mpat.datasets.arrays("digits_2", "train")[:2]
    x, y, _ = mpat.datasets.arrays("digits_2", "test")
    return *train, x, y


@functools.lru_cache(maxsize=3)
def trained(policy):
    """(model, history) after three epochs with a head, under a policy of Keras."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        keras.utils.set_random_seed(0)
        classifier = mpat.models.lenet(2, input_shape=(8, 8, 1))
        strategy = mpat.training.PGDTraining(BALL, steps=3)
        head = mpat.SoftTripleHead(2, prototypes_per_class=3)
        model = mpat.AdversarialModel(
            classifier, strategy=strategy, head=head, validation_attack=ATTACK
        )
        model.compile(keras.optimizers.Adam(3e-3), metrics=["accuracy"])
        x, y, x_test, y_test = data()
        history = model.fit(
            x,
            y,
            batch_size=32,
            epochs=EPOCHS,
            validation_data=(x_test, y_test),
            shuffle=False,
            verbose=0,
        ).history
    finally:
        keras.config.set_dtype_policy(before)
    return model, history


@pytest.mark.parametrize(
    "policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)]
)
def test_training_is_finite_and_as_robust_as_in_float32(policy):
    model, history = trained(policy)
    assert model.classifier.dtype_policy.name == policy
    assert all(np.all(np.isfinite(values)) for values in history.values())
    _, reference = trained("float32")
    assert reference["val_robust_accuracy"][-1] > 0.6  # it learned at all
    difference = (
        history["val_robust_accuracy"][-1] - reference["val_robust_accuracy"][-1]
    )
    assert abs(difference) <= 0.02


@pytest.mark.parametrize("policy", POLICIES)
def test_adversaries_of_a_half_precision_net_stay_in_the_ball(policy):
    model, _ = trained(policy)
    _, _, x, y = data()
    x_adv = ATTACK(model.logits_fn(), ops.convert_to_tensor(x[:64]), y[:64])
    assert keras.backend.standardize_dtype(x_adv.dtype) == "float32"
    x_adv = ops.convert_to_numpy(x_adv)
    assert np.all(x_adv >= 0) and np.all(x_adv <= 1)
    moved = np.abs(x_adv - x[:64])
    assert moved.max() <= 0.1 + 1e-6 and moved.max() > 0.09


def test_input_gradients_in_float16_point_where_float32_points():
    model, _ = trained("float32")
    half = _in_policy(model.classifier, "mixed_float16")
    _, _, x, y = data()
    signs = [_signs(net, x, y) for net in (model.classifier, half)]
    assert np.mean(signs[0] != 0) > 0.9
    assert np.mean(signs[0] == signs[1]) >= 0.9


def _in_policy(classifier, policy):
    """The same net and weights under another policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        twin = mpat.models.lenet(2, input_shape=(8, 8, 1))
    finally:
        keras.config.set_dtype_policy(before)
    twin.set_weights(classifier.get_weights())
    return twin


def _signs(net, x, y):
    objective = mpat.objectives.CrossEntropy()

    def goal(z):
        logits = ops.cast(net(z, training=False), "float32")
        return objective(y, logits), logits

    gradient, _, _ = backend.input_gradient(goal, ops.convert_to_tensor(x))
    return np.sign(ops.convert_to_numpy(gradient))
