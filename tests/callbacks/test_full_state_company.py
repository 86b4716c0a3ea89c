"""FullState among other callbacks, labels, optimizers and later calls of `fit`."""

import json
import os
import signal
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat.callbacks import FullState
from tests import toy

X, Y = toy.data(32)
QUIET = {"batch_size": 16, "shuffle": False, "verbose": 0}


def model(learning_rate=0.05, **options):
    keras.utils.set_random_seed(0)
    strategy = mpat.training.PGDTraining(mpat.Linf(0.1), steps=1)
    return toy.model(strategy, learning_rate=learning_rate, **options)


def fit(folder, epochs, *, callbacks=(), **options):
    """(model, what it logs) of one process' part of a run."""
    made = model(**options)
    state = FullState(folder, of=list(callbacks))
    logs = made.fit(X, Y, epochs=epochs, callbacks=[*callbacks, state], **QUIET)
    return made, logs.history


def one_hot():
    """A model of one-hot labels, one of whose metrics has a figure for each class."""
    made = model()
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    metrics = [keras.metrics.F1Score(), "accuracy"]
    made.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss, metrics=metrics)
    return made


class Breaks(keras.callbacks.Callback):
    """Ends training in the second batch."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            raise KeyboardInterrupt


def test_one_hot_labels_go_on_within_an_epoch(tmp_path):
    """Metrics mean what they meant: "accuracy" depends on the shape of labels."""
    labels = np.eye(2, dtype="float32")[Y]
    options = QUIET | {"epochs": 2}
    whole = one_hot()
    expected = whole.fit(X, labels, **options).history
    with pytest.raises(KeyboardInterrupt):
        state = FullState(tmp_path, every=1)
        one_hot().fit(X, labels, callbacks=[Breaks(), state], **options)
    resumed = one_hot()
    logs = resumed.fit(X, labels, callbacks=[FullState(tmp_path)], **options).history
    toy.assert_same(toy.values(resumed.weights), toy.values(whole.weights))
    assert logs.keys() == expected.keys()
    for name, row in expected.items():
        np.testing.assert_allclose(logs[name], row, rtol=1e-6)
    assert np.shape(logs["f1_score"]) == (2, 2)


def test_a_later_fit_trains_after_a_resumed_one(tmp_path):
    """Keras begins each `fit` where a resumed one began."""
    taken = []
    for _ in range(2):
        made, _ = fit(tmp_path, 4)
        before = int(made.optimizer.iterations)
        made.fit(X, Y, epochs=2, **QUIET)
        taken.append(int(made.optimizer.iterations) - before)
    assert taken == [4, 4]


def test_a_lower_learning_rate_is_used_and_said(tmp_path):
    fit(tmp_path, 1)
    with pytest.warns(
        UserWarning, match=r"After epoch 1, .*learning_rate=0\.00\d+ in "
    ):
        made, _ = fit(tmp_path, 2, learning_rate=0.001)
    np.testing.assert_allclose(float(made.optimizer.learning_rate), 0.001)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        made, _ = fit(tmp_path, 3, learning_rate=0.001)


def test_a_rate_that_a_callback_lowered_stays(tmp_path):
    def plateau():
        return [keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=9.0)]

    made, _ = fit(tmp_path, 4, callbacks=plateau())
    lowered = float(made.optimizer.learning_rate)
    assert lowered < 0.01
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        made, _ = fit(tmp_path, 5, callbacks=plateau())
    assert float(made.optimizer.learning_rate) <= lowered


def test_another_optimizer_is_refused(tmp_path):
    fit(tmp_path, 1)
    for optimizer in keras.optimizers.RMSprop(), keras.optimizers.SGD():
        made = model()
        made.compile(optimizer, metrics=["accuracy"])
        with pytest.raises(ValueError, match="`optimizer` must be that of before"):
            made.fit(X, Y, callbacks=[FullState(tmp_path)], **QUIET)


def test_a_run_in_float16_goes_on_twice(tmp_path):
    """An optimizer that scales losses makes variables each time it is built."""

    def net():
        keras.config.set_dtype_policy("mixed_float16")
        try:
            return toy.net()
        finally:
            keras.config.set_dtype_policy("float32")

    whole, _ = fit(tmp_path / "whole", 3, classifier=net())
    assert isinstance(whole.optimizer, keras.optimizers.LossScaleOptimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for epochs in (1, 2, 3):
            made, _ = fit(tmp_path / "part", epochs, classifier=net())
    toy.assert_same(toy.values(made.variables), toy.values(whole.variables))
    own, expected = made.optimizer.variables, whole.optimizer.variables
    toy.assert_same(toy.values(own), toy.values(expected))


def test_a_state_of_an_earlier_version_is_named(tmp_path):
    fit(tmp_path, 1)
    path = tmp_path / "state-0001.json"
    content = json.loads(path.read_text())
    del content["given"]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="kept by an earlier one"):
        fit(tmp_path, 2)


def test_another_strategy_or_batch_size_is_said(tmp_path):
    fit(tmp_path, 1)
    keras.utils.set_random_seed(0)
    made = toy.model(mpat.training.PGDTraining(mpat.Linf(0.2), steps=1))
    options = QUIET | {"batch_size": 8, "epochs": 2}
    with pytest.warns(UserWarning, match="strategy=.*4 batches an epoch in place of 2"):
        made.fit(X, Y, callbacks=[FullState(tmp_path)], **options)


def test_the_order_of_callbacks_counts(tmp_path):
    def stopping():
        return keras.callbacks.EarlyStopping("loss", patience=9)

    def plateau():
        return keras.callbacks.ReduceLROnPlateau("loss", patience=9)

    fit(tmp_path, 1, callbacks=[stopping(), plateau()])
    message = r"in their order. Received: \[ReduceLROnPlateau, EarlyStopping\] where "
    with pytest.raises(ValueError, match=message):
        fit(tmp_path, 2, callbacks=[plateau(), stopping()])
    state = FullState(tmp_path)
    with pytest.raises(ValueError, match=r"must end with FullState.*\[EarlyStopping\]"):
        model().fit(X, Y, callbacks=[state, stopping()], **QUIET)
    state = FullState(tmp_path / "other")
    with pytest.warns(UserWarning, match=r"What \[EarlyStopping\] remembers is not"):
        model().fit(X, Y, callbacks=[stopping(), state], **QUIET)


def test_the_guard_compares_with_what_was_restored(tmp_path):
    def part(epochs):
        guard = mpat.callbacks.CatastrophicOverfittingGuard(*toy.data(16, 1), drop=0.9)
        made = model()
        made.fit(X, Y, epochs=epochs, callbacks=[guard, FullState(tmp_path)], **QUIET)
        return guard.checks

    first, second = part(3), part(4)
    assert [check.epoch for check in first] == [0, 1, 2, 3]
    assert [check.epoch for check in second] == [3, 4]
    assert second[0] == first[-1]


def test_an_error_lets_go_of_the_folder_and_of_sigterm(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        model().fit(X, Y, callbacks=[Breaks(), FullState(tmp_path)], **QUIET)
    assert signal.getsignal(signal.SIGTERM) is before
    other = "import pathlib, sys; from keras_mpat.locks import locked\n"
    other += "with locked(pathlib.Path(sys.argv[1])): pass"
    command = [sys.executable, "-c", other, str(tmp_path / ".lock")]
    subprocess.run(command, check=True, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""})


def test_damaged_states_do_not_displace_whole_ones(tmp_path):
    fit(tmp_path, 3)
    for number in (2, 3):
        (tmp_path / f"state-{number:04d}.weights.h5").write_bytes(b"damaged")
    (tmp_path / "state-0007.npz").write_bytes(b"left over")
    with pytest.warns(UserWarning, match="damaged"):
        fit(tmp_path, 1)
    assert FullState(tmp_path).epoch == 1
    assert {path.name.split(".")[0] for path in tmp_path.glob("state-*")} == {
        "state-0001"
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fit(tmp_path, 3)
    assert FullState(tmp_path).epoch == 3
    found = {path.name.split(".")[0] for path in tmp_path.glob("state-*")}
    assert found == {"state-0002", "state-0003"}
