"""TensorFlow and JAX make the same update wherever nothing random enters."""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

SCRIPT = """
    import json, sys
    import keras, numpy as np
    from keras import layers
    import keras_mpat as mpat
    from keras_mpat import attacks, training

    rng = np.random.default_rng(0)
    ball = mpat.Linf(0.1)
    strategies = {
        "standard": training.StandardTraining(),
        "bim": training.AdversarialTraining(attacks.BIM(ball, steps=3)),
        "free": training.FreeTraining(ball, replays=2, batch_size=8),
    }
    x = rng.uniform(size=(16, 6)).astype("float32")
    y = rng.integers(0, 3, 16)
    first, last = rng.normal(size=(6, 8)), rng.normal(size=(8, 3))
    prototypes = rng.normal(size=(3, 2, 8))
    found = {}
    for name, strategy in strategies.items():
        classifier = keras.Sequential([
            keras.Input((6,)), layers.Dense(8, use_bias=False),
            layers.BatchNormalization(), layers.Activation("tanh"),
            layers.Dense(3, use_bias=False),
        ])
        head = mpat.SoftTripleHead(3, prototypes_per_class=2)
        model = mpat.AdversarialModel(
            classifier, strategy=strategy, head=head, head_weight=0.5,
            regularizer="weights", regularizer_weight=0.01,
            validation_attack=attacks.BIM(ball, steps=2),
        )
        classifier.layers[0].kernel.assign(first)
        classifier.layers[-1].kernel.assign(last)
        head.prototypes.assign(prototypes)
        model.compile(
            keras.optimizers.SGD(0.05, momentum=0.9), metrics=["accuracy"]
        )
        history = model.fit(
            x, y, batch_size=8, epochs=2, shuffle=False, verbose=0,
            validation_data=(x, y),
        ).history
        weights = [*classifier.get_weights(), *head.get_weights()]
        found[name] = [history, [w.tolist() for w in weights]]
    print("RESULT" + json.dumps([keras.backend.backend(), found]))
"""
ROOT = Path(__file__).resolve().parents[2]


def train_on(backend):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    used, found = json.loads(done.stdout.rpartition("RESULT")[2])
    assert used == backend
    return found


def test_tensorflow_and_jax_agree():
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed; pip install 'keras_mpat[jax]'")
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        pytest.skip("starts both backends; runs once, with the tests on TensorFlow")
    first, second = train_on("tensorflow"), train_on("jax")
    assert list(first) == ["standard", "bim", "free"]
    for name in first:
        (logs, weights), (other_logs, other_weights) = first[name], second[name]
        assert logs.keys() == other_logs.keys()
        for key in logs:
            np.testing.assert_allclose(
                other_logs[key], logs[key], rtol=1e-4, atol=1e-4, err_msg=key
            )
        assert len(weights) == len(other_weights) == 9
        for one, other in zip(weights, other_weights, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4)
    losses = [logs["loss"][-1] for logs, _ in first.values()]
    assert len({round(loss, 3) for loss in losses}) == 3
