"""The two forms of a stream: `tf.data` for TensorFlow, a `PyDataset` for the others.

Both hand out the batches that `Passes` makes. TensorFlow is imported for its own
backend only: JAX and torch need none of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import keras
import numpy as np

from keras_mpat import pipelines
from keras_mpat.datasets.passes import Passes

if TYPE_CHECKING:
    import tensorflow as tf


class NumpyStream(keras.utils.PyDataset):
    """Batches (x, y) as NumPy arrays: what `load` returns on JAX and torch.

    Iterating is as with the `tf.data` stream: the k-th complete pass is epoch
    `epoch + k`, one that stops early does not count. Keras asks for batches by number
    instead; there a pass is complete when each batch was asked for, and the next
    question begins the next pass. Pass `shuffle=False` to the `fit` of a plain Keras
    model: by default Keras permutes the batches of a `PyDataset`. Limit: Keras reads
    two batches to build a model, so with two batches in all that look is a pass.

    Args:
        passes: A `Passes`.
    """

    def __init__(self, passes: Passes) -> None:
        super().__init__()
        self.passes = passes
        self._pass = passes.epoch
        self._asked_for: set[int] = set()

    def __len__(self) -> int:
        return self.passes.steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        step = range(len(self))[index]
        if len(self._asked_for) == len(self):
            self.passes.handed_out(self._pass, True)
        if len(self._asked_for) == len(self) or self._pass != self.passes.epoch:
            self._pass, self._asked_for = self.passes.epoch, set()
        self._asked_for.add(step)
        return self.passes.batch(self._pass, step)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for epoch, last, images, labels in self.passes():
            self.passes.handed_out(epoch, last)
            yield images, labels

    def as_numpy_iterator(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The same as iterating: the name that it has in `tf.data`."""
        return iter(self)


Stream: TypeAlias = "tf.data.Dataset | NumpyStream"


def stream(passes: Passes, batch: int | None) -> Stream:
    """The stream that Keras' backend reads best.

    Args:
        passes: A `Passes`.
        batch: Examples in each batch; None if the last has fewer.
    """
    if keras.backend.backend() == "tensorflow":
        return _pipeline(passes, batch)
    return NumpyStream(passes)


def _pipeline(passes: Passes, batch: int | None) -> tf.data.Dataset:
    import tensorflow as tf

    def hand_out(epoch, last, images, labels):
        tf.numpy_function(passes.handed_out, [epoch, last], tf.bool)
        return images, labels

    signature = (
        tf.TensorSpec((), tf.int64),
        tf.TensorSpec((), tf.bool),
        tf.TensorSpec((batch, *passes.x.shape[1:]), tf.float32),
        tf.TensorSpec((batch,), tf.int32),
    )
    data = tf.data.Dataset.from_generator(passes, output_signature=signature)
    # Counting comes after prefetching: a batch made ahead is not yet handed out.
    data = data.prefetch(pipelines.AHEAD).map(hand_out)
    data = data.apply(tf.data.experimental.assert_cardinality(passes.steps))
    return pipelines.untuned(data)
