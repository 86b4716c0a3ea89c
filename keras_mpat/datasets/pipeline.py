"""From arrays to a `tf.data` stream whose order can be resumed in another process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mpat.datasets import checks
from keras_mpat.datasets.augmentation import Augmentation
from keras_mpat.datasets.passes import Passes

if TYPE_CHECKING:
    import tensorflow as tf


def from_arrays(
    x: Any,
    y: Any,
    *,
    batch_size: int = 128,
    shuffle: bool = False,
    augment: Augmentation | None = None,
    seed: int = 0,
    epoch: int = 0,
    bounds: tuple[float, float] = (0.0, 1.0),
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """The user's own arrays as batches (x, y), checked and scaled.

    Gray levels become floats here, once and visibly: an attack's epsilon is a
    fraction of the pixel range, and the range must be what the threat model says.

    Args:
        x: Images (N, H, W, C_in), or (N, H, W) for one channel, or features (N, F):
            uint8, which is scaled to `bounds`, or floats within `bounds`.
        y: Class ids, ints (N,) or (N, 1), >= 0.
        batch_size: Images per batch, >= 1. Default 128.
        shuffle: Whether each epoch has an order of its own. Default False.
        augment: An `Augmentation`. Default: none.
        seed: Seed of order and augmentation, >= 0. Default 0.
        epoch: Number of the first pass, >= 0. Default 0; see `load`.
        bounds: Smallest and largest pixel value, as in the threat model. Default
            (0.0, 1.0).
        drop_remainder: Whether to leave out a last batch that is smaller than the
            others. Default False; Free adversarial training needs it.

    Returns:
        A `tf.data.Dataset` of x, float32 (B, H, W, C_in), and y, int32 (B,).

    Raises:
        ValueError: If images, labels or counts are not as described.

    Example:

        train = keras_mpat.datasets.from_arrays(x_train, y_train, shuffle=True)
    """
    low, high = checks.pair(bounds)
    images = checks.images(x, (low, high))
    if images.dtype == np.uint8 and (low, high) != (0.0, 1.0):
        images = np.linspace(low, high, 256).astype("float32")[images]
    return batches(
        images,
        checks.labels(y, len(images)),
        rows=np.arange(len(images)),
        batch_size=batch_size,
        shuffle=shuffle,
        augment=augment,
        seed=seed,
        epoch=epoch,
        drop_remainder=drop_remainder,
    )


def to_unit(images: np.ndarray) -> np.ndarray:
    """Images as float32 in [0, 1], the same numbers as in a stream."""
    if images.dtype == np.uint8:
        return images.astype("float32") / np.float32(255)
    return images


def batches(
    x: np.ndarray,
    y: np.ndarray,
    *,
    rows: np.ndarray,
    batch_size: int,
    shuffle: bool,
    augment: Augmentation | bool | None,
    seed: int,
    epoch: int,
    drop_remainder: bool,
) -> tf.data.Dataset:
    """Batches of the examples `rows` of checked arrays; see `load`."""
    batch_size = checks.integer("batch_size", batch_size, minimum=1)
    augment = _checked(augment)
    steps, rest = divmod(len(rows), batch_size)
    equal = rest == 0 or (drop_remainder and steps > 0)
    passes = Passes(
        (x, y),
        rows=rows,
        batch_size=batch_size,
        steps=steps if equal else steps + 1,
        draws=augment.draws if augment else 0,
        shuffle=shuffle,
        seed=checks.integer("seed", seed, minimum=0),
        epoch=checks.integer("epoch", epoch, minimum=0),
    )
    return _stream(passes, augment, batch_size if equal else None)


def _stream(
    passes: Passes, augment: Augmentation | None, batch: int | None
) -> tf.data.Dataset:
    import tensorflow as tf

    def prepare(epoch, last, images, labels, noise):
        if images.dtype == tf.uint8:
            images = tf.cast(images, tf.float32) / 255.0
        return epoch, last, augment(images, noise) if augment else images, labels

    def hand_out(epoch, last, images, labels):
        tf.numpy_function(passes.handed_out, [epoch, last], tf.bool)
        return images, labels

    data = tf.data.Dataset.from_generator(
        passes, output_signature=passes.signature(batch)
    )
    data = data.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    # Counting comes after prefetching: a batch made ahead is not yet handed out.
    data = data.prefetch(tf.data.AUTOTUNE).map(hand_out)
    data = data.apply(tf.data.experimental.assert_cardinality(passes.steps))
    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False
    options.experimental_optimization.map_parallelization = False
    return data.with_options(options)


def _checked(augment: Augmentation | bool | None) -> Augmentation | None:
    if augment is None or augment is False:
        return None
    if not isinstance(augment, Augmentation):
        raise ValueError(
            "`augment` must be a keras_mpat.datasets.Augmentation, or False for none. "
            f"Received: augment={augment!r}. Pass for example PadCropFlip(padding=4)."
        )
    return augment
