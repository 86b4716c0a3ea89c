"""Named data sets as arrays (`arrays`) and as streams for `fit` (`load`)."""

from __future__ import annotations

import numpy as np

from keras_mpat.choices import check_choice
from keras_mpat.datasets import checks, passes, pipeline, splits
from keras_mpat.datasets.augmentation import Augmentation
from keras_mpat.datasets.catalog import DatasetInfo
from keras_mpat.datasets.labels import LabelMap, label_table
from keras_mpat.datasets.lookup import info
from keras_mpat.datasets.streams import Stream


def arrays(
    name: str,
    split: str,
    *,
    data_dir: str | None = None,
    download: bool = False,
    image_size: tuple[int, int] | None = None,
    label_map: LabelMap | None = None,
    validation: int | float | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One split of a data set in memory, with the fine labels.

    For analyses that ask for the hidden modes, and for cross-validation. `load` uses
    the same examples in the same order.

    Args:
        name: A name that `info` knows.
        split: "train", "validation" or "test"; "all" where the set has it (digits).
        data_dir: Folder of the data, for sets that need one. Default: the environment
            variable TFDS_DATA_DIR, or TINY_IMAGENET_DIR for "tiny_imagenet".
        download: Whether to fetch what is missing. Default False.
        image_size: Height and width to resize to; see `info`. Default: as they are.
        label_map: Class of each fine label, in place of the set's own: a function of
            one label, or a sequence with one entry per fine label.
        validation: Size of the validation set, which is drawn from the training
            set, stratified by fine label: an int, a share, or None for a tenth (at
            most 5000). "train" is the rest.
        seed: Seed of that draw, >= 0. Default 0, which is what `load` uses.

    Returns:
        x, float32 (N, H, W, C_in) in [0, 1]; y, int32 (N,), the classes; modes,
        int32 (N,), the fine labels.

    Raises:
        ValueError: If an argument is out of range.
        FileNotFoundError: If the data is not there and `download` is False.
    """
    entry = info(name, data_dir=data_dir, image_size=image_size)
    table = _table(entry, label_map)
    images, modes = _part(entry, split, data_dir, download)
    rows = _rows(split, modes, table, validation, checks.seed(seed))
    modes = modes[rows]
    return passes.to_unit(images[rows]), table[modes], modes


def load(
    name: str,
    split: str,
    *,
    batch_size: int = 128,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool | None = None,
    augment: Augmentation | bool | None = None,
    limit: int | None = None,
    data_dir: str | None = None,
    download: bool = False,
    image_size: tuple[int, int] | None = None,
    label_map: LabelMap | None = None,
) -> Stream:
    """One split of a data set as batches (x, y), ready for `fit` and `evaluate`.

    The order of an epoch and its augmentation are functions of (seed, epoch, example
    index). The k-th complete pass over the returned object is epoch `epoch + k`, so a
    new process that loads with `epoch=3` continues as the fourth pass would have. A
    pass that stops early does not count: it counts when its last batch is handed out
    (so with a single batch in all, a look at it is a pass).

    Training batches are shuffled, augmented as the set prescribes, and all of one
    size (what is left over is dropped unless it is all there is). Other splits come
    whole, in order and unchanged.

    Args:
        name: A name that `info` knows.
        split: "train", "validation" or "test"; "all" where the set has it (digits).
        batch_size: Images per batch, >= 1. Default 128.
        seed: Seed of order and augmentation, >= 0. Default 0. It does not choose the
            validation set, which is the same for every seed.
        epoch: Number of the first pass, >= 0. Default 0.
        shuffle: Whether to shuffle. Default: for "train" only.
        augment: An `Augmentation`, or False for none. Default: for "train", what
            `info(name).augmentation` says; else none.
        limit: Use the first `limit` examples of the split only. Default: all.
        data_dir: As in `arrays`.
        download: As in `arrays`.
        image_size: As in `arrays`.
        label_map: As in `arrays`.

    Returns:
        A stream of x, float32 (B, H, W, C_in) in [0, 1], and y, int32 (B,): a
        `tf.data.Dataset` on the TensorFlow backend, else a `keras.utils.PyDataset`
        with the same batches.

    Raises:
        ValueError: If an argument is out of range.
        FileNotFoundError: If the data is not there and `download` is False.

    Example:

        train = keras_mpat.datasets.load("digits_2", "train", batch_size=64)
    """
    entry = info(name, data_dir=data_dir, image_size=image_size)
    training = split == "train"
    table = _table(entry, label_map)
    if limit is not None:
        limit = checks.integer("limit", limit, minimum=1)
    if augment is None:
        augment = entry.augmentation if training else False
    images, modes = _part(entry, split, data_dir, download)
    return pipeline.batches(
        images,
        table[modes],
        rows=_rows(split, modes, table, None, 0)[:limit],
        batch_size=batch_size,
        shuffle=training if shuffle is None else shuffle,
        augment=augment,
        seed=seed,
        epoch=epoch,
        drop_remainder=training,
    )


def _table(entry: DatasetInfo, label_map: LabelMap | None) -> np.ndarray:
    own = entry.label_map if label_map is None else label_map
    return label_table(own, entry.num_modes)


def _part(
    entry: DatasetInfo, split: str, data_dir: str | None, download: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The checked images and fine labels that `split` is a part of."""
    rule = f"{entry.name!r} has no other; validation is drawn from its training set."
    check_choice("split", split, entry.splits, rule)
    part = "train" if split == "validation" else split
    images, modes = entry.loader(part, data_dir=data_dir, download=download)
    images = checks.images(images, (0.0, 1.0))
    modes = checks.labels(modes, len(images))
    if images.shape[1:] != tuple(entry.input_shape) or modes.max() >= entry.num_modes:
        raise ValueError(
            f"`loader` of {entry.name!r} must return images of shape "
            f"{entry.input_shape} and labels below {entry.num_modes}. Received: "
            f"images of shape {images.shape[1:]}, labels up to {modes.max()}. Correct "
            "`loader`, or `input_shape` and `mode_names` of its DatasetInfo."
        )
    return images, modes


def _rows(
    split: str,
    modes: np.ndarray,
    table: np.ndarray,
    validation: int | float | None,
    seed: int,
) -> np.ndarray:
    """The rows of the part that belong to `split`."""
    if split not in ("train", "validation"):
        return np.arange(len(modes))
    count = splits.validation_count(validation, len(modes))
    held_out = splits.stratified(modes, count, seed)
    kept = splits.complement(held_out, len(modes))
    lost = np.setdiff1d(table[modes], table[modes[kept]])
    if lost.size:
        raise ValueError(
            "`validation` must leave an example of each class to train on. Received: "
            f"validation={validation!r}, which leaves {len(kept)} examples and none of "
            f"class {lost[0]}. Add examples, or train on "
            "arrays(name, 'train', validation=0)."
        )
    return held_out if split == "validation" else kept
