"""tf.data pipelines: what they hold, and those that we make of arrays.

TensorFlow is imported by nobody who has not asked for a pipeline.
"""

import sys

AHEAD = 2  # batches that are made while another is trained on


def is_pipeline(data) -> bool:
    """Whether `data` is a tf.data pipeline; Keras takes one on each backend."""
    # Whoever holds a pipeline has imported TensorFlow: it is not imported for others.
    library = sys.modules.get("tensorflow")
    return library is not None and isinstance(data, library.data.Dataset)


def first_batch(data):
    """The first element of a tf.data pipeline as NumPy arrays; None for other data."""
    if not is_pipeline(data):
        return None
    for element in data.take(1).as_numpy_iterator():
        return element
    raise ValueError("`x` must not be empty. Received: a tf.data.Dataset of 0 batches.")


def untuned(data):
    """The pipeline without `tf.data`'s tuner, which ours have no use for.

    An iterator that is given up at the end of an epoch waits for the tuner, which
    sleeps twice as long each time (10 ms to a minute).
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.inject_prefetch = False
    options.experimental_optimization.map_parallelization = False
    return data.with_options(options)


def of_rows(arrays: tuple, rows, count: int, batch_size: int):
    """A pipeline of the batches of arrays, in the order of `rows`.

    Args:
        arrays: NumPy arrays (N, ...), which become the elements of a batch.
        rows: function () -> (count,) int64, asked at the beginning of each pass.
        count: Examples of a pass.
        batch_size: Examples per batch; the last may have fewer.
    """
    import tensorflow as tf

    with tf.device("CPU:0"):
        arrays = tuple(tf.convert_to_tensor(each) for each in arrays)
    steps, rest = divmod(count, batch_size)
    size = None if rest else batch_size

    def parts(_):
        order = tf.ensure_shape(tf.numpy_function(rows, [], tf.int64), (count,))

        def part(step):
            begin = step * batch_size
            return tf.ensure_shape(order[begin : begin + batch_size], (size,))

        return tf.data.Dataset.range(steps + bool(rest)).map(part)

    def batch(part):
        return tuple(tf.gather(each, part) for each in arrays)

    data = tf.data.Dataset.range(1).flat_map(parts).map(batch).prefetch(AHEAD)
    data = data.apply(tf.data.experimental.assert_cardinality(steps + bool(rest)))
    options = tf.data.Options()
    # Of several workers, each takes its part of what all of them see.
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    return untuned(data.with_options(options))
