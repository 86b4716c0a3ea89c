"""Counts the passes over a stream and makes the raw batches of each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from keras_mpat.datasets import splits

if TYPE_CHECKING:
    import tensorflow as tf


class Passes:
    """The generator behind a stream: one call is one pass, with its own epoch.

    `tf.data` restarts a generator for each iterator, also for one that only peeks at
    the first batch (Keras does, to build a model) and prefetches ahead of it. So the
    epoch moves on when the consumer gets the last batch of a pass, through
    `handed_out`, and not when the generator ends.

    Args:
        arrays: x (N, H, W, C_in) and y (N,).
        rows: Indices (n,) of the examples in use.
        batch_size: Examples per batch.
        steps: Batches per pass.
        draws: Noise numbers per example.
        shuffle: Whether each epoch has an order of its own.
        seed: Seed of order and noise.
        epoch: Number of the first pass.
    """

    def __init__(
        self,
        arrays: tuple[np.ndarray, np.ndarray],
        *,
        rows: np.ndarray,
        batch_size: int,
        steps: int,
        draws: int,
        shuffle: bool,
        seed: int,
        epoch: int,
    ) -> None:
        self.x, self.y = arrays
        self.rows = rows
        self.batch_size = batch_size
        self.steps = steps
        self.draws = draws
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = epoch

    def __call__(self) -> Iterator[tuple]:
        """Yields (epoch, is last, images, labels, noise) for each batch of a pass."""
        epoch, count = self.epoch, len(self.rows)
        order = np.arange(count)
        if self.shuffle:
            order = splits.order(count, self.seed, epoch)
        noise = splits.uniform(
            (count, self.draws),
            splits.AUGMENT,
            seed=self.seed,
            epoch=epoch,
            dtype="f4",
        )
        for step in range(self.steps):
            chosen = order[step * self.batch_size : (step + 1) * self.batch_size]
            rows = self.rows[chosen]
            last = step == self.steps - 1
            yield epoch, last, self.x[rows], self.y[rows], noise[chosen]

    def handed_out(self, epoch: np.ndarray, last: np.ndarray) -> np.bool_:
        """Notes that the consumer got a batch; after the last, the epoch moves on."""
        if last:
            # Two iterators that run side by side are one pass, not two.
            self.epoch = max(self.epoch, int(epoch) + 1)
        return np.bool_(last)

    def signature(self, batch: int | None) -> tuple[tf.TensorSpec, ...]:
        """The specs of what a pass yields; `batch` is None if sizes differ."""
        import tensorflow as tf

        return (
            tf.TensorSpec((), tf.int64),
            tf.TensorSpec((), tf.bool),
            tf.TensorSpec((batch, *self.x.shape[1:]), tf.as_dtype(self.x.dtype)),
            tf.TensorSpec((batch,), tf.int32),
            tf.TensorSpec((batch, self.draws), tf.float32),
        )
