"""One of two processes that train a small model together, on loopback.

    python -m tests.training.two_workers RANK PORT,PORT FOLDER STRATEGY [EPOCH]

Worker 0 writes FOLDER/result.npz at the end; worker 1 kills itself in EPOCH.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np


def cluster(rank: int, ports) -> None:
    """Says who takes part; before TensorFlow makes its devices."""
    workers = [f"127.0.0.1:{port}" for port in ports]
    task = {"type": "worker", "index": rank}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})


def main(rank: str, ports: str, folder: str, kind: str, dies_in: str = "-1") -> None:
    cluster(int(rank), ports.split(","))
    import keras
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    import keras_mpat as mpat
    from tests.training import two_devices

    class Dies(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self._epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (self._epoch, batch) == (int(dies_in), 5) and rank == "1":
                os.kill(os.getpid(), signal.SIGKILL)

    with strategy.scope():
        model = two_devices.make(kind)
    state = mpat.callbacks.FullState(Path(folder) / "state")
    two_devices.fit(model, [Dies(), state])
    weights, logs = two_devices.ended(model, model.history.history)
    if rank == "0":
        arrays = {f"weight {path}": value for path, value in weights.items()}
        arrays |= {f"log {name}": np.array(row) for name, row in logs.items()}
        np.savez(Path(folder) / "result.npz", **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
