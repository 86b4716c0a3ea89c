"""A stream that is larger than memory: what an epoch takes does not grow with it."""

import resource
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from tests import toy

BATCH, SIZE = 64, 48 * 48


class _Made(keras.utils.PyDataset):
    """Batches that are made when they are asked for, 0.6 MiB each."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        y = np.arange(BATCH) % 2
        x = 0.5 * (rng.uniform(size=(BATCH, SIZE)) + y[:, None])
        return x.astype("float32"), y


class _Memory(keras.callbacks.Callback):
    """MiB of this process after each batch."""

    def on_train_begin(self, logs=None):
        self.mib = []

    def on_train_batch_end(self, batch, logs=None):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.mib.append(pages * resource.getpagesize() / 2**20)


@pytest.mark.filterwarnings("ignore:Training has collapsed")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
@pytest.mark.parametrize("kind", ["pgd", "free"])
def test_memory_is_flat_over_an_epoch(kind):
    ball = mpat.Linf(0.1)
    strategy = {
        "pgd": mpat.training.PGDTraining(ball, steps=2),
        "free": mpat.training.FreeTraining(ball, replays=2, batch_size=BATCH),
    }[kind]
    parts = [keras.Input((SIZE,)), keras.layers.Dense(8), keras.layers.ReLU()]
    net = keras.Sequential([*parts, keras.layers.Dense(2)])
    head = mpat.SoftTripleHead(2, prototypes_per_class=2)
    model = toy.model(
        strategy, classifier=net, head=head, eager=False, learning_rate=1e-4
    )
    memory = _Memory()
    model.fit(_Made(600), epochs=1, shuffle=False, verbose=0, callbacks=[memory])
    begin, end = np.median(memory.mib[100:150]), np.median(memory.mib[-50:])
    # The 450 batches between them have 253 MiB.
    assert end - begin < 25
