"""Replicas of a distribution strategy train as one process with the same batches."""

import json
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat import backend, replicas
from tests import ports, toy
from tests.training import two_devices

pytestmark = pytest.mark.skipif(
    backend.NAME != "tensorflow", reason="strategies of TensorFlow"
)
FEW = ("pgd", "synchronized", "free", "merging", "resumed")
MORE = ("fast", "free_ce", "trades", "logit_pairing")
# After a step they are 3e-8 apart, and rounding grows: after sixty to 1e-6 on one
# processor, on another to 4e-5 where signs of gradients near 0 decide; without signs to
# 3e-6 (ALP: 8e-6). Synchronized BatchNorm: 7e-8 after one, 5e-6 after 20, then 6e-5.
LIMITS = {"fast": 1e-5, "trades": 1e-5, "logit_pairing": 5e-5, "synchronized": 2e-4}
LIMIT = 5e-5


def _distances(names):
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.two_devices", *names],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("names", [FEW, pytest.param(MORE, marks=pytest.mark.slow)])
def test_two_devices_end_with_the_weights_and_figures_of_one(names):
    """With random starts, Free's perturbation, validation attack, merging, resuming."""
    found = _distances(names)
    assert found.keys() == set(names)
    for name, distance in found.items():
        assert distance["weights"] < LIMITS.get(name, LIMIT), name
        assert distance["logs"] < (1e-4 if name == "synchronized" else 1e-5), name


def test_a_model_from_outside_the_scope_is_refused():
    import tensorflow as tf

    scope = tf.distribute.OneDeviceStrategy("CPU:0").scope
    x, y = toy.data(16)
    strategy = mpat.training.PGDTraining(mpat.Linf(0.1), steps=1)
    outside = toy.model(strategy)
    with scope(), pytest.raises(ValueError, match="must be built and compiled in the "):
        outside.fit(x, y, verbose=0)
    classifier = toy.net()
    with scope():
        half = toy.model(strategy, classifier=classifier)
    with pytest.raises(ValueError, match=r"weights from outside, such as .*dense"):
        half.fit(x, y, verbose=0)
    outside.fit(x, y, verbose=0)
    with scope():
        inside = toy.model(strategy)
    inside.fit(x, y, verbose=0)


def test_frees_batch_must_divide_among_the_replicas(monkeypatch):
    monkeypatch.setattr(replicas, "count", lambda: 3)
    free = mpat.training.FreeTraining(mpat.Linf(0.1), batch_size=16)
    with pytest.raises(ValueError, match="a multiple of the replicas.*with 3 replicas"):
        toy.model(free)


def test_one_hot_labels_train_under_a_strategy():
    """Keras builds losses and metrics before the first batch there."""
    import tensorflow as tf

    x, y = toy.data(16)
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        model = toy.model(mpat.training.StandardTraining())
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, metrics=["accuracy", keras.metrics.F1Score()])
    labels = np.eye(2, dtype="float32")[y]
    logs = model.fit(x, labels, validation_data=(x, labels), verbose=0).history
    assert np.shape(logs["f1_score"]) == (1, 2) and len(logs["val_accuracy"]) == 1


def test_a_last_batch_has_a_part_for_each_replica(monkeypatch):
    x, y = toy.data(17)
    model = toy.model(mpat.training.StandardTraining())
    model.fit(x, y, batch_size=8, verbose=0)
    monkeypatch.setattr(replicas, "of", lambda model: 2)
    message = "each replica a part.*17 examples in batches of 8, the last of 1 for 2 re"
    with pytest.raises(ValueError, match=message):
        model.fit(x, y, batch_size=8, verbose=0)
    model.fit(x[:16], y[:16], batch_size=8, verbose=0)


def test_xla_is_left_alone_where_replicas_meet(monkeypatch):
    monkeypatch.setattr(backend, "has_accelerator", lambda: True)
    strategy = mpat.training.PGDTraining(mpat.Linf(0.1), steps=1)
    model = toy.model(strategy)
    model.compile("sgd")
    assert model.jit_compile
    monkeypatch.setattr(replicas, "count", lambda: 2)
    model.compile("sgd")
    assert not model.jit_compile


def _workers(folder, kind, *more):
    """Both workers' exit codes and last words."""
    addresses = ",".join(str(each) for each in ports.free(2))
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.training.two_workers"),
                *(str(rank), addresses, str(folder), kind, *more),
            ],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    told = [process.communicate(timeout=300)[1] for process in processes]
    return [process.returncode for process in processes], told


@pytest.mark.slow
def test_two_workers_one_of_which_dies_end_as_one_process(tmp_path):
    """Free's perturbation, a validation attack, FullState; the other worker is told."""
    (survivor, killed), told = _workers(tmp_path, "free", "1")
    assert killed == -signal.SIGKILL
    assert survivor == 1
    assert "RuntimeError: Another worker of this training has stopped" in told[0]
    assert mpat.callbacks.FullState(tmp_path / "state").epoch == 1
    codes, told = _workers(tmp_path, "free")
    assert codes == [0, 0], told
    weights, logs = two_devices.trained("free")
    with np.load(tmp_path / "result.npz") as found:
        assert len(found.files) == len(weights) + len(logs)
        for path, value in weights.items():
            np.testing.assert_allclose(found[f"weight {path}"], value, atol=LIMIT)
        for name, row in logs.items():
            np.testing.assert_allclose(found[f"log {name}"], row, atol=1e-5)
