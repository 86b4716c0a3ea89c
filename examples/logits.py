"""Logits of a classifier on stored images, on whichever backend Keras runs here.

    KERAS_BACKEND=jax python examples/logits.py classifier.keras images.npy logits.npy

verify_with_autoattack.py calls it in a process of its own: one process has one backend.
"""

import sys

import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.evaluation.loading import load_classifier

_BATCH = 256


def logits(classifier, x: np.ndarray) -> np.ndarray:
    """Float32 logits (N, C) of inputs (N, ...), in inference mode."""
    rows = []
    with backend.full_precision():
        for start in range(0, len(x), _BATCH):
            batch = ops.convert_to_tensor(x[start : start + _BATCH])
            answer = ops.cast(classifier(batch, training=False), "float32")
            rows.append(ops.convert_to_numpy(ops.stop_gradient(answer)))
    return np.concatenate(rows)


if __name__ == "__main__":
    _, model, images, output = sys.argv
    np.save(output, logits(load_classifier(model), np.load(images)))
