"""Counts the passes over a stream and makes the batches of each of them, in NumPy.

Every kind of stream takes its batches from here, so that all of them agree bit for
bit.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from keras_mpat.datasets.augmentation import Augmentation
from keras_mpat.datasets.plans import Plan


class Passes:
    """The generator behind a stream: one call is one pass, with its own epoch.

    `tf.data` restarts a generator for each iterator, also for one that only peeks at
    the first batch (Keras does, to build a model) and prefetches ahead of it. So the
    epoch moves on when the consumer gets the last batch of a pass, through
    `handed_out`, and not when the generator ends.

    Args:
        arrays: x (N, H, W, C_in), uint8 or float32, and y (N,).
        plan: Which examples an epoch shows; see `plans`.
        batch_size: Examples per batch.
        steps: Batches per pass.
        augment: An `Augmentation`, or None.
        epoch: Number of the first pass.
    """

    def __init__(
        self,
        arrays: tuple[np.ndarray, np.ndarray],
        plan: Plan,
        *,
        batch_size: int,
        steps: int,
        augment: Augmentation | None,
        epoch: int,
    ) -> None:
        self.x, self.y = arrays
        self.batch_size = batch_size
        self.steps = steps
        self.augment = augment
        self.epoch = epoch
        draws = augment.draws if augment else 0
        # Batches of one epoch are asked for in a row.
        self._tables = functools.lru_cache(maxsize=1)(
            lambda epoch: plan.tables(epoch, draws)
        )

    def __call__(self) -> Iterator[tuple]:
        """Yields (epoch, is last, images, labels) for each batch of a pass."""
        epoch = self.epoch
        for step in range(self.steps):
            yield epoch, step == self.steps - 1, *self.batch(epoch, step)

    def batch(self, epoch: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (B, H, W, C_in) in float32 and labels (B,) of one batch."""
        rows, noise = self._tables(epoch)
        batch = slice(step * self.batch_size, (step + 1) * self.batch_size)
        images = to_unit(self.x[rows[batch]])
        if self.augment:
            images = altered(self.augment, images, noise[batch])
        return images, self.y[rows[batch]]

    def handed_out(self, epoch: int, last: bool) -> np.bool_:
        """Notes that the consumer got a batch; after the last, the epoch moves on."""
        if last:
            # Two iterators that run side by side are one pass, not two.
            self.epoch = max(self.epoch, int(epoch) + 1)
        return np.bool_(last)


def to_unit(images: np.ndarray) -> np.ndarray:
    """Images as float32 in [0, 1], the same numbers as in a stream."""
    if images.dtype == np.uint8:
        return images.astype("float32") / np.float32(255)
    return images


def altered(augment: Augmentation, images: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """What `augment` makes of images, float32 and of their shape."""
    result = np.asarray(augment(images, noise), dtype="float32")
    if result.shape != images.shape:
        raise ValueError(
            "`augment` must return images of the shape that it is given. Received: "
            f"shape {result.shape} for images of shape {images.shape}. Resize the "
            "images before they become a stream."
        )
    return result
