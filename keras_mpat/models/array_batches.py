"""Arrays as `fit`, `evaluate` and `predict` read them, in an order of our own.

Left to Keras, they wait at the end of an epoch for the tuner of `tf.data`; they come in
the same order in each epoch after `keras.utils.set_random_seed` (on TensorFlow), and in
one that no run can resume (on every backend). Here the order is a function of the seed
of the model and the number of the epoch.
"""

import math
import warnings

import keras
import numpy as np
from keras import ops

from keras_mpat import backend, pipelines


class Order(keras.callbacks.Callback):
    """Which rows come next; as a callback, it is told the epoch.

    Args:
        available: how many rows there are.
        batch_size: Rows in a batch.
        shuffle: `True`; `"batch"`: rows stay in their batch; `False`.
        seed: of all orders, >= 0.
        drop_remainder: Whether a last, smaller batch is left out of an epoch.
        steps: batches of an epoch; `None`: all there are.

    Attributes:
        count: how many rows an epoch has.
    """

    def __init__(
        self,
        available: int,
        batch_size: int,
        shuffle,
        seed: int,
        drop_remainder: bool,
        steps: int | None = None,
    ):
        super().__init__()
        self.available = available
        self.count = available - (available % batch_size if drop_remainder else 0)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0
        whole = math.ceil(self.count / batch_size)
        self._ready = steps is None or steps >= whole  # to begin anywhere

    def set_model(self, model):
        """Keeps none: TensorFlow holds what a pipeline calls until the process ends."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch and not self._ready:
            warnings.warn(
                f"Epoch {epoch + 1} begins a new pass over the data: the order goes on "
                "exactly only where an epoch is a whole pass. Leave `steps_per_epoch` "
                "out.",
                stacklevel=2,
            )
        self._ready = True
        self.epoch = epoch

    def rows(self) -> np.ndarray:
        """The rows of this epoch in their order, (count,) int64."""
        order = np.arange(self.available)
        if self.shuffle:
            generator = np.random.default_rng((self.seed, self.epoch))
            together = self.batch_size if self.shuffle == "batch" else self.available
            for begin in range(0, self.available, together):
                generator.shuffle(order[begin : begin + together])
        return order[: self.count]


class NumpyBatches(keras.utils.PyDataset):
    """The batches of arrays by number, for JAX and torch."""

    def __init__(self, arrays: tuple, order: Order):
        super().__init__()
        self._arrays = arrays
        self._order = order
        self._rows = order.rows()

    def __len__(self) -> int:
        return math.ceil(self._order.count / self._order.batch_size)

    def __getitem__(self, index: int) -> tuple:
        if index == 0:  # a new pass
            self._rows = self._order.rows()
        begin = index * self._order.batch_size
        rows = self._rows[begin : begin + self._order.batch_size]
        return tuple(each[rows] for each in self._arrays)


def are_arrays(*data) -> bool:
    """Whether these are arrays or tensors, or None; the first one is not None."""
    given = [each for each in data if each is not None]
    plain = all(isinstance(each, np.ndarray) or ops.is_tensor(each) for each in given)
    return data[0] is not None and plain


def batches(
    *arrays,
    batch_size: int | None = None,
    steps: int | None = None,
    shuffle=False,
    seed: int = 0,
    drop_remainder: bool = False,
):
    """Arrays (N, ...) as a stream of batches, and its order.

    Args:
        arrays: x, and then labels and weights; None ends them.
        batch_size: `None`: 32, or what `steps` batches need.
        steps: per epoch; `None`: all there are.
        shuffle, seed, drop_remainder: as in `Order`.

    Returns:
        What Keras' backend reads best, and the `Order`, which belongs among the
        callbacks of a `fit` that shuffles.
    """
    arrays = tuple(_array(each) for each in arrays if each is not None)
    count = len(arrays[0])
    if not batch_size:
        batch_size = math.ceil(count / steps) if steps else 32
    order = Order(count, batch_size, shuffle, seed, drop_remainder, steps)
    if backend.NAME == "tensorflow":
        return pipelines.of_rows(arrays, order.rows, order.count, batch_size), order
    return NumpyBatches(arrays, order), order


def streamed(data, batch_size: int | None, steps: int | None):
    """An array, or a tuple of arrays, as a stream in their order; else what it is."""
    arrays = data if isinstance(data, (tuple, list)) else (data,)
    if not are_arrays(*arrays):
        return data
    return batches(*arrays, batch_size=batch_size, steps=steps)[0]


def _array(data) -> np.ndarray:
    """As NumPy, floats in Keras' own precision."""
    data = ops.convert_to_numpy(data)
    if "float" in str(data.dtype):  # bfloat16, too
        return data.astype(keras.config.floatx(), copy=False)
    return data


def split(arrays: tuple, share: float) -> tuple[tuple, tuple]:
    """All but the last `share` of arrays, and that share, as Keras splits them.

    Raises:
        ValueError: a share that leaves nothing on one side.
    """
    count = len(arrays[0])
    begin = math.floor(count * (1.0 - share))
    if not 0 < begin < count:
        raise ValueError(
            "`validation_split` must leave examples on both sides. Received: "
            f"validation_split={share} of {count} examples. Pass a share such as 0.1."
        )
    parts = (slice(begin), slice(begin, None))
    return tuple(
        tuple(each if each is None else each[part] for each in arrays) for part in parts
    )


def example_weights(labels: np.ndarray, class_weight: dict) -> np.ndarray:
    """The weight of each of the labels (N,); 1 for classes that are left out."""
    weights = np.ones(len(labels), keras.config.floatx())
    for label, weight in class_weight.items():
        weights[labels == label] = weight
    return weights
