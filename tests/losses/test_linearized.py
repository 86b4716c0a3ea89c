"""An objective made linear: its direction, its size, and float16."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat.losses.linearized import linearized
from tests import toy
from tests.losses.gradients import gradient_of

X, Y = toy.data(32)


def test_the_gradient_has_the_direction_of_the_objective_and_length_one():
    rng = np.random.default_rng(0)
    outputs, slopes = rng.normal(size=(2, 5, 3)).astype("float32")
    slopes *= 10.0 ** np.arange(-6, 9, 3)[:, None]
    slopes[2] = 0

    def objective(z):
        return ops.sum(slopes * z, axis=-1), z + 1.0

    found = gradient_of(lambda z: linearized(z, objective)[0], outputs)
    largest = np.abs(slopes).max(axis=1, keepdims=True)
    expected = slopes / np.where(largest > 0, largest, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    _, auxiliary = linearized(outputs, objective)
    np.testing.assert_allclose(auxiliary, outputs + 1, rtol=1e-6)


STRATEGIES = [
    mpat.training.FeatureScatteringTraining(mpat.Linf(0.1)),
    mpat.training.TRADESTraining(mpat.Linf(0.1), steps=3),
]
if mpat.backend.NAME == "tensorflow":
    small = {"widths": (8,), "blocks": 1}
    STRATEGIES.append(mpat.training.ATLDTraining(mpat.Linf(0.1), **small))


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: type(s).__name__)
def test_attacks_on_small_logits_survive_float16(strategy):
    found = []
    for policy in ("float32", "mixed_float16"):
        net = keras.Sequential(
            [keras.Input((toy.FEATURES,)), layers.Dense(2, dtype=policy)]
        )
        rng = np.random.default_rng(0)
        net.set_weights([rng.normal(size=(toy.FEATURES, 2)) / 1000, np.zeros(2)])
        model = toy.model(strategy, classifier=net)
        view = model.perturb(ops.convert_to_tensor(X), Y)["adversarial"]
        found.append(ops.convert_to_numpy(view) - X)
    assert np.all(np.isfinite(found[1])) and np.abs(found[1]).max() > 0.09
    assert np.mean(np.abs(found[0] - found[1]) < 0.01) > 0.7
