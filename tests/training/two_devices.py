"""Trains small models on one device and on two, and prints how far they end apart.

    python -m tests.training.two_devices CASE ...

Prints one JSON object by case: the largest distance of a weight, and of a figure in the
logs of the three epochs of twenty steps. In a process of its own, because TensorFlow
makes its devices once.
"""

import json
import sys
import tempfile

import keras
import numpy as np

import keras_mpat as mpat
from keras_mpat import backend
from tests import toy

BALL = mpat.Linf(0.1)
SMOOTH = mpat.L2(0.2)  # no signs of gradients near 0, in which rounding grows
BATCH, EPOCHS = 16, 3
STRATEGIES = {
    "pgd": lambda: mpat.training.PGDTraining(BALL, steps=2, warmup_epochs=1),
    "fast": lambda: mpat.training.FastTraining(SMOOTH),
    "free": lambda: mpat.training.FreeTraining(SMOOTH, replays=2, batch_size=BATCH),
    "free_ce": lambda: mpat.training.FreeTraining(
        SMOOTH, replays=2, batch_size=BATCH, ascent="ce"
    ),
    "trades": lambda: mpat.training.TRADESTraining(SMOOTH, steps=2),
    "logit_pairing": lambda: mpat.training.LogitPairingTraining(SMOOTH, steps=2),
}
X, Y = toy.data(20 * BATCH)
HELD_OUT = toy.data(2 * BATCH, seed=1)
HELD_OUT[1][:5] = 1 - HELD_OUT[1][:5]  # some wrong: classes and replicas differ


def make(strategy: str, **options) -> mpat.AdversarialModel:
    """A compiled model, without BatchNorm unless told, the same each time."""
    keras.utils.set_random_seed(0)
    usual = {"head": toy.head(), "validation_attack": mpat.attacks.PGD(BALL, steps=2)}
    usual |= {"classifier": toy.net(batch_norm=False), "learning_rate": 0.05}
    return toy.model(STRATEGIES[strategy](), eager=False, **usual | options)


def fit(model, callbacks=(), epochs=EPOCHS, shuffle=True):
    """What a run logs."""
    options = {"batch_size": BATCH, "verbose": 0, "shuffle": shuffle}
    options |= {"validation_data": HELD_OUT, "validation_batch_size": BATCH}
    options |= {"callbacks": list(callbacks), "epochs": epochs}
    return model.fit(X, Y, **options).history


def trained(strategy: str, shuffle=True):
    """(weights, logs) of a plain run."""
    model = make(strategy)
    return ended(model, fit(model, shuffle=shuffle))


def synchronized(strategy: str):
    """The same with BatchNorm whose statistics are those of all devices."""
    model = make(strategy, classifier=toy.net(synchronized=True))
    return ended(model, fit(model))


def merged(_):
    """The same of a run whose prototypes merge."""
    model = make("pgd")
    merging = mpat.callbacks.PrototypeMerging(1.9, start_epoch=1, guard=False)
    logs = fit(model, [merging])
    logs["merges"] = [float(len(merging.merges))]
    return ended(model, logs)


def resumed(strategy: str):
    """The same of a run that ends after two epochs and goes on with another model."""
    with tempfile.TemporaryDirectory() as folder:
        for epochs in (2, EPOCHS):
            model = make(strategy)
            state = mpat.callbacks.FullState(folder)
            logs = fit(model, [state], epochs)
    return ended(model, logs)


def ended(model, logs):
    """(weights by number and name, logs) of a run."""
    weights = {
        f"{number} {weight.name}": backend.value(weight).astype("float64")
        for number, weight in enumerate(model.weights)
        if weight.name != "free_input_gradient"  # each replica has its own
    }
    return weights, logs


CASES = {name: (trained, trained, name) for name in STRATEGIES}
CASES["synchronized"] = (synchronized, synchronized, "pgd")
CASES["merging"] = (merged, merged, "pgd")
CASES["resumed"] = (trained, resumed, "free")


def distances(one, two) -> dict[str, float]:
    """Of weights and of logs."""
    (weights, logs), (others, other_logs) = one, two
    pairs = zip(weights.values(), others.values(), strict=True)
    assert logs.keys() == other_logs.keys()
    return {
        "weights": max(float(np.abs(a - b).max()) for a, b in pairs),
        "logs": max(
            float(np.abs(np.subtract(logs[name], other_logs[name])).max())
            for name in logs
        ),
    }


def main(names) -> None:
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    found = {}
    for name in names:
        whole, halved, kind = CASES[name]
        one = whole(kind)
        with strategy.scope():
            two = halved(kind)
        found[name] = distances(one, two)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
