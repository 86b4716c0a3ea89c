"""From arrays to a stream whose order can be resumed in another process."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_mpat.datasets import checks, plans, streams
from keras_mpat.datasets.augmentation import Augmentation
from keras_mpat.datasets.passes import Passes, altered, to_unit
from keras_mpat.datasets.streams import Stream


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
) -> Stream:
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
        A stream of x, float32 (B, H, W, C_in), and y, int32 (B,): a `tf.data.Dataset`
        on the TensorFlow backend, else a `keras.utils.PyDataset` with the same
        batches.

    Raises:
        ValueError: If images, labels or counts are not as described.

    Example:

        train = keras_mpat.datasets.from_arrays(x_train, y_train, shuffle=True)
    """
    images, labels = converted(x, y, bounds)
    return batches(
        images,
        labels,
        rows=np.arange(len(images)),
        batch_size=batch_size,
        shuffle=shuffle,
        augment=augment,
        seed=seed,
        epoch=epoch,
        drop_remainder=drop_remainder,
    )


def balanced(
    x: Any,
    y: Any,
    *,
    classes_per_batch: int | None = None,
    examples_per_class: int,
    steps: int | None = None,
    augment: Augmentation | None = None,
    seed: int = 0,
    epoch: int = 0,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Stream:
    """Batches with equally many examples of each of their classes.

    For losses over pairs and triplets: shuffled batches of data with many classes
    hold hardly two examples of one class. All choices are functions of (seed, epoch,
    batch), and passes resume as those of `load` do. Pass the modes of `arrays` as `y`
    to balance the fine labels.

    Args:
        x: As in `from_arrays`.
        y: As in `from_arrays`.
        classes_per_batch: Different classes in a batch, >= 1. Default: all there are.
        examples_per_class: Different examples of each of them, >= 1.
        steps: Batches per pass, >= 1. Default: as many as the examples fill, so that a
            pass over classes of one size shows nearly every example once; small
            classes repeat, large ones are cut.
        augment: An `Augmentation`. Default: none.
        seed: Seed of the choice, the order and the augmentation, >= 0. Default 0.
        epoch: Number of the first pass, >= 0. Default 0; see `load`.
        bounds: As in `from_arrays`.

    Returns:
        As `from_arrays`; a batch holds its examples class after class.

    Raises:
        ValueError: If arrays or counts are not as described, or a class has fewer
            examples than a batch takes of it.

    Example:

        x, y, modes = keras_mpat.datasets.arrays("digits_2", "train")
        train = keras_mpat.datasets.balanced(
            x, modes, classes_per_batch=8, examples_per_class=4
        )
    """
    images, labels = converted(x, y, bounds)
    examples = checks.integer("examples_per_class", examples_per_class, minimum=1)
    classes = checks.group_counts(labels, classes_per_batch, examples)
    if steps is None:
        steps = max(1, len(labels) // (classes * examples))
    steps = checks.integer("steps", steps, minimum=1)
    seed = checks.seed(seed)
    passes = Passes(
        (images, labels),
        plans.Balanced(labels, classes, examples, steps, seed),
        batch_size=classes * examples,
        steps=steps,
        augment=_checked(augment, images),
        epoch=checks.epoch(epoch),
    )
    return streams.stream(passes, passes.batch_size)


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
) -> Stream:
    """Batches of the examples `rows` of checked arrays; see `load`."""
    batch_size = checks.integer("batch_size", batch_size, minimum=1)
    steps, rest = divmod(len(rows), batch_size)
    equal = rest == 0 or (drop_remainder and steps > 0)
    passes = Passes(
        (x, y),
        plans.EachOnce(rows, shuffle, checks.seed(seed)),
        batch_size=batch_size,
        steps=steps if equal else steps + 1,
        augment=_checked(augment, x),
        epoch=checks.epoch(epoch),
    )
    return streams.stream(passes, batch_size if equal else None)


def converted(x: Any, y: Any, bounds: Any) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels as `from_arrays` takes them, checked.

    Returns:
        x, uint8 if its fractions of 255 are meant, else float32 within `bounds`, with
        channels; y, int32 (N,).

    Raises:
        ValueError: as in `from_arrays`.
    """
    low, high = checks.pair(bounds)
    images = checks.images(x, (low, high))
    if images.dtype == np.uint8 and (low, high) != (0.0, 1.0):
        images = np.linspace(low, high, 256).astype("float32")[images]
    return images, checks.labels(y, len(images))


def _checked(augment: Augmentation | bool | None, x: np.ndarray) -> Augmentation | None:
    """`augment` after a try on one image: inside a stream its errors are hidden."""
    if augment is None or augment is False:
        return None
    if not isinstance(augment, Augmentation):
        raise ValueError(
            "`augment` must be a keras_mpat.datasets.Augmentation, or False for none. "
            f"Received: augment={augment!r}. Pass for example PadCropFlip(padding=4)."
        )
    altered(augment, to_unit(x[:1]), np.zeros((1, augment.draws), "float32"))
    return augment
