"""The rows of each batch that belong to one of several JAX processes.

    keras.distribution.initialize()  # before any computation
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(auto_shard_dataset=False)
    )
    own = {"index": jax.process_index(), "count": jax.process_count()}
    train = keras_mpat.datasets.Share(keras_mpat.datasets.load("mnist", "train"), **own)

Together the processes see the batches that one process would see. TensorFlow's
strategies share data by themselves.
"""

import keras


class Share(keras.utils.PyDataset):
    """Of each batch of a stream, one of `count` equal parts, in order.

    Args:
        stream: as `load` and `from_arrays` return on JAX: batches (x, y) by number.
            Its batches are those of all processes together.
        index: which part, from 0: the number of this process.
        count: how many parts: the number of processes.

    Raises:
        ValueError: a part that there is not, a stream without numbered batches; from
            a batch that has no equal parts.
    """

    def __init__(self, stream, *, index: int, count: int):
        super().__init__()
        if not (hasattr(stream, "__getitem__") and hasattr(stream, "__len__")):
            raise ValueError(
                "`stream` must have numbered batches. Received: "
                f"{type(stream).__name__}. Pass what datasets.load returns on JAX; "
                "TensorFlow's strategies share a tf.data.Dataset by themselves."
            )
        self.stream = stream
        self.index = index
        self.count = count
        if not 0 <= self.index < self.count:
            raise ValueError(
                "`index` must be at least 0 and below `count`. Received: "
                f"index={self.index}, count={self.count}. Pass "
                "jax.process_index() and jax.process_count()."
            )

    def __len__(self) -> int:
        return len(self.stream)

    def __getitem__(self, index: int):
        return tuple(self._part(each) for each in self.stream[index])

    def on_epoch_end(self) -> None:
        if isinstance(self.stream, keras.utils.PyDataset):
            self.stream.on_epoch_end()

    def _part(self, rows):
        size, rest = divmod(len(rows), self.count)
        if rest:
            raise ValueError(
                "`stream` must have batches of a multiple of the processes. Received: "
                f"{len(rows)} examples for {self.count} processes. Change its "
                "batch_size, or how many examples it has."
            )
        return rows[self.index * size : (self.index + 1) * size]
