"""What every callback promises where it has nothing to say."""

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from tests import toy
from tests.contracts.callbacks_table import CALLBACKS, LOGS

X, Y = toy.data(32)
PROBE = toy.data(16, seed=1)
STRATEGY = mpat.training.FastTraining(mpat.Linf(0.02))


def trained(*watchers):
    """(model, logs): two compiled epochs with BatchNorm, a head and shuffled data."""
    keras.utils.set_random_seed(0)
    model = toy.model(STRATEGY, eager=False, learning_rate=0.02, head=toy.head())
    history = model.fit(
        X, Y, batch_size=16, epochs=2, callbacks=list(watchers), verbose=0
    )
    return model, history.history


@pytest.fixture(scope="module")
def plain():
    return trained()


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_silent_callback_leaves_training_bit_for_bit_as_it_is(name, plain):
    model, logs = trained(CALLBACKS[name](*PROBE))
    expected, expected_logs = plain
    toy.assert_same(toy.values(model.variables), toy.values(expected.variables))
    toy.assert_same(
        toy.values(model.optimizer.variables), toy.values(expected.optimizer.variables)
    )
    assert set(logs) == set(expected_logs) | LOGS[name]
    assert all(logs[key] == expected_logs[key] for key in expected_logs)
    assert all(np.isfinite(logs[key]).all() for key in LOGS[name])


@pytest.mark.one_backend
@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_serves_several_models_in_turn(name):
    callback, logs = CALLBACKS[name](*PROBE), []
    for _ in range(2):
        model = toy.model(STRATEGY, head=toy.head())
        history = model.fit(
            X, Y, batch_size=16, shuffle=False, callbacks=[callback], verbose=0
        )
        logs.append(history.history)
    assert logs[0] == logs[1]
