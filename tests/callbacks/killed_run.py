"""A small run with FullState, in a process that may be killed at any moment.

    python -m tests.callbacks.killed_run FOLDER

Prints "begun" before the first batch, and at the end a digest of weights and optimizer.
"""

import hashlib
import sys

import keras
import numpy as np
from keras import ops

import keras_mpat as mpat
from keras_mpat.callbacks import FullState, PrototypeMerging
from tests import toy

EPOCHS = 6


class _Tell(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        print("begun", flush=True)


def run(folder) -> str:
    """Trains, or goes on; the digest."""
    keras.utils.set_random_seed(0)
    x, y = toy.data(64)
    strategy = mpat.training.PGDTraining(mpat.Linf(0.1), steps=2, warmup_epochs=2)
    model = toy.model(strategy, head=toy.head(), learning_rate=0.05)
    merging = PrototypeMerging(1.9, start_epoch=2, guard=False)
    state = FullState(folder, of=[merging], every=2)
    callbacks = [_Tell(), merging, state]
    options = {"batch_size": 16, "shuffle": False, "verbose": 0}
    model.fit(x, y, epochs=EPOCHS, callbacks=callbacks, **options)
    total = hashlib.sha256(repr(merging.merges).encode())
    for variable in [*model.variables, *model.optimizer.variables]:
        value = np.ascontiguousarray(ops.convert_to_numpy(variable.value))
        total.update(value.tobytes())
    return total.hexdigest()


if __name__ == "__main__":
    print(run(sys.argv[1]), flush=True)
