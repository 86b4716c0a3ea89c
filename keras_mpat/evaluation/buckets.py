"""Data in buckets of one fixed size: no retracing, and a batch size that can be relied
upon."""

from collections.abc import Iterator

import numpy as np

from keras_mpat.input_checks import check_labels


def buckets(data, size: int, limit: int | None, num_classes: int) -> Iterator[tuple]:
    """Yields (x (size, ...), y (size,), valid): the last bucket repeats its last row.

    Args:
        data: (x, y) arrays, or an iterable of batches (x, y) such as tf.data.
        size: examples per bucket.
        limit: stop after this many examples; `None`: all.
        num_classes: C; labels must be 0 … C - 1, or one-hot.
    """
    left = np.inf if limit is None else limit
    held_x: list[np.ndarray] = []
    held_y: list[np.ndarray] = []
    for x, y in _batches(data, size, num_classes):
        count = int(min(len(x), left))
        held_x.append(x[:count])
        held_y.append(y[:count])
        left -= count
        while sum(map(len, held_x)) >= size:
            x, y = np.concatenate(held_x), np.concatenate(held_y)
            yield x[:size], y[:size], size
            held_x, held_y = [x[size:]], [y[size:]]
        if left <= 0:
            break
    x, y = np.concatenate(held_x), np.concatenate(held_y)
    if len(x):
        padding = [(0, size - len(x))] + [(0, 0)] * (x.ndim - 1)
        filled = np.pad(x, padding, mode="edge")
        yield filled, np.pad(y, (0, size - len(y)), mode="edge"), len(x)


def _batches(data, size: int, num_classes: int):
    if data is None or isinstance(data, (np.ndarray, str, dict)):
        raise ValueError(
            "`data` must be (x, y) arrays or a tf.data.Dataset of such batches. "
            f"Received: {type(data).__name__}. Pass (x, y)."
        )
    if isinstance(data, (tuple, list)):
        if len(data) != 2:
            raise ValueError(
                "`data` must be (x, y) arrays or a tf.data.Dataset of such batches. "
                f"Received: a {type(data).__name__} of {len(data)}. Pass (x, y)."
            )
        x, y = (np.asarray(array) for array in data)
        if len(x) != len(y) or len(x) == 0:
            raise ValueError(
                "`data` must hold as many labels as inputs, and at least one. "
                f"Received: {len(x)} inputs, {len(y)} labels. Pass (x, y)."
            )
        y = _labels(y, num_classes)
        for start in range(0, len(x), size):
            yield x[start : start + size], y[start : start + size]
        return
    empty = True
    for batch in data:
        empty = False
        x, y = _pair(batch)
        yield np.asarray(x), _labels(np.asarray(y), num_classes)
    if empty:
        raise ValueError(
            "`data` must not be empty. Received: no batch of (x, y). Pass a stream "
            "that starts anew; a generator can be read only once."
        )


def _pair(batch):
    """(x, y) of one element of a stream."""
    count = len(batch) if isinstance(batch, (tuple, list)) else None
    if count != 2:
        found = type(batch).__name__ if count is None else f"{count} parts"
        raise ValueError(
            "`data` must yield batches (x, y); weights have no place in an accuracy. "
            f"Received: batches of {found}. Map the stream to (x, y)."
        )
    if not np.shape(batch[1]):
        raise ValueError(
            "`data` must yield batches of examples. Received: a label of shape (), one "
            "at a time. Of a tf.data pipeline pass data.batch(128)."
        )
    return batch


def _labels(y: np.ndarray, num_classes: int) -> np.ndarray:
    check_labels(y, num_classes)
    if y.ndim == 2 and y.shape[1] > 1:
        y = np.argmax(y, axis=1)
    return y.reshape(-1).astype("int32")
