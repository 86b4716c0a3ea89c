"""One of two JAX processes that train a small model together, on loopback.

    python -m tests.training.two_jax_processes FOLDER STRATEGY ...

Process 0 writes FOLDER/STRATEGY.npz at the end of each.
"""

import sys
from pathlib import Path

import keras
import numpy as np


def main(folder: str, *kinds: str) -> None:
    keras.distribution.initialize()
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(auto_shard_dataset=False)
    )
    import keras_mpat as mpat
    from keras_mpat import backend, replicas
    from tests.training import two_devices

    def mine(arrays):
        stream = mpat.datasets.from_arrays(*arrays, batch_size=two_devices.BATCH)
        own = {"index": backend.process(), "count": backend.processes()}
        return mpat.datasets.Share(stream, **own)

    for kind in kinds:
        model = two_devices.make(kind)
        state = mpat.callbacks.FullState(Path(folder) / kind)
        logs = model.fit(
            mine((two_devices.X, two_devices.Y)),
            validation_data=mine(two_devices.HELD_OUT),
            epochs=two_devices.EPOCHS,
            callbacks=[state],
            shuffle=False,
            verbose=0,
        ).history
        weights, logs = two_devices.ended(model, logs)
        if replicas.is_chief(model):
            arrays = {f"weight {name}": value for name, value in weights.items()}
            arrays |= {f"log {name}": np.array(row) for name, row in logs.items()}
            np.savez(Path(folder) / f"{kind}.npz", **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
