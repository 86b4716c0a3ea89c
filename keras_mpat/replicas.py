"""Replicas of a distribution strategy of TensorFlow, each with its part of a batch.

On JAX all devices see one batch, so there is one replica, as without a strategy.
"""

from keras_mpat import backend

if backend.NAME == "tensorflow":
    import tensorflow as tf


def index():
    """Which replica this is, an int or an int32 scalar."""
    if backend.NAME == "tensorflow":
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            return context.replica_id_in_sync_group
    return 0


def count() -> int:
    """How many there are in this scope."""
    if backend.NAME == "tensorflow":
        return tf.distribute.get_strategy().num_replicas_in_sync
    return 1


def unscale(loss):
    """A loss as it is logged: Keras divides it by the number of replicas."""
    return loss * count() if count() > 1 else loss


def outside_scope(model) -> list[str]:
    """Paths of weights that the strategy of a model, or of this scope, does not know.

    Such a model would train on one device, or fail far from the cause.
    """
    if backend.NAME != "tensorflow":
        return []
    strategies = [model.distribute_strategy]
    if tf.distribute.has_strategy():
        strategies.append(tf.distribute.get_strategy())
    return [
        weight.path
        for strategy in strategies
        for weight in model.weights
        if not strategy.extended.variable_created_in_scope(weight.value)
    ]
