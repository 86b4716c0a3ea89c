"""tf.data pipelines, as far as checks need them, without importing TensorFlow."""

import sys


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
