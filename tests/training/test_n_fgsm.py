"""NFGSMTraining against its algorithm in NumPy, on a linear net."""

import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import noise
from keras_mpat.training import NFGSMTraining
from tests import toy

X, Y = toy.data(64)


def array(tensor):
    return ops.convert_to_numpy(tensor)


def batch(strategy, x=X):
    """(the batch of one update, its random starts as uniform numbers in -1 … 1)."""
    classifier, kernel = toy.linear(scale=2.0, bias=False)
    model = toy.model(strategy, classifier=classifier)
    state = array(model.seed_generator.state).copy()
    keys = noise.fold(noise.keys(model.seed_generator, len(x)), 0)
    model.seed_generator.state.assign(state)
    views = model.perturb(ops.convert_to_tensor(x), Y)
    toward = (kernel[:, 1 - Y] - kernel[:, Y]).T  # of a linear net, everywhere
    uniform = array(noise.uniform(keys, x.shape[1:], -1.0, 1.0))
    return array(views["adversarial"]), uniform, toward


@pytest.mark.parametrize("options", [{}, {"noise": 1.5, "step_size": 0.02}])
def test_against_the_algorithm(options):
    x_adv, uniform, toward = batch(NFGSMTraining(mpat.Linf(0.05), **options))
    start = X + 0.05 * options.get("noise", 2.0) * uniform
    expected = start + options.get("step_size", 0.05) * np.sign(toward)
    np.testing.assert_allclose(x_adv, expected, atol=1e-6)
    # The noise is uniform and independent of the step: it goes out of the ball.
    assert 0.6 < np.abs(x_adv - X).max() / (0.05 * 3)
    assert np.mean(np.abs(x_adv - X) > 0.05) > 0.3


def test_pixels_stay_in_their_bounds_and_fixed_ones_as_they_are():
    edge = X.copy()
    edge[:, 1], edge[:, 2] = 0.0, 1.0
    mutable = np.array([True, True, True, False])
    x_adv, _, _ = batch(NFGSMTraining(mpat.Linf(0.1, mutable=mutable)), edge)
    assert x_adv.min() == 0.0 and x_adv.max() == 1.0
    np.testing.assert_array_equal(x_adv[:, 3], edge[:, 3])
    assert np.abs(x_adv[:, :3] - edge[:, :3]).min(axis=0).max() < 0.1


def test_warm_up_scales_noise_and_step():
    strategy = NFGSMTraining(mpat.Linf(0.1), clean_epochs=1, warmup_epochs=2)
    model = toy.model(strategy, classifier=toy.linear(scale=2.0, bias=False)[0])
    strategy.begin_epoch(model, 0, 4)
    views = model.perturb(ops.convert_to_tensor(X), Y)
    np.testing.assert_array_equal(array(views["adversarial"]), X)
    strategy.begin_epoch(model, 2, 4)
    views = model.perturb(ops.convert_to_tensor(X), Y)
    reach = np.abs(array(views["adversarial"]) - X).max()
    assert 0.1 < reach < 0.625 * 0.3


def test_starts_that_need_more_room_than_there_is():
    with pytest.raises(ValueError, match="`noise` must leave the ball"):
        NFGSMTraining(mpat.Linf(0.3), noise=4.0)
