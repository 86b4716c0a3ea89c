"""Where prototypes and proxies start: a name of our own or a Keras initializer."""

import keras
from keras import ops


def check_initializer(initializer, published: str) -> None:
    """Raises unless it is `published`, "unit" or known to Keras.

    Args:
        initializer: what the user gave.
        published: our own name for what a head's paper or code starts from.
    """
    if initializer in (published, "unit"):
        return
    try:
        keras.initializers.get(initializer)
    except ValueError:
        raise ValueError(
            f"`initializer` must be {published!r}, 'unit' or a Keras initializer. "
            f"Received: initializer={initializer!r}. Pass {published!r}, the default."
        ) from None


def random_directions(shape, dtype):
    """Vectors of length 1 in random directions, along the last axis."""
    directions = keras.random.normal(shape, dtype=dtype)
    return directions / ops.norm(directions, axis=-1, keepdims=True)


def serialized(initializer):
    """The initializer as a config: names as they are, Keras' objects as dicts."""
    if isinstance(initializer, str):
        return initializer
    return keras.initializers.serialize(initializer)
