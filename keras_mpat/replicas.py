"""Replicas of a distribution strategy of TensorFlow, each with its part of a batch.

On JAX all devices see one batch, so there is one replica, as without a strategy, also
where several processes feed it.
"""

import contextlib

import keras
from keras import ops

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


def of(model) -> int:
    """How many a model trains on."""
    if backend.NAME == "tensorflow":
        return model.distribute_strategy.num_replicas_in_sync
    return 1


def scale(loss):
    """A part of a loss as Keras wants it: divided by the number of replicas."""
    return loss / count() if count() > 1 else loss


def unscale(loss):
    """A loss as it is logged: Keras divides it by the number of replicas."""
    return loss * count() if count() > 1 else loss


def averageable(logs: dict) -> dict:
    """Logs (scalars) of a step as Keras averages them over several workers.

    It takes the mean along axis 0 there, which scalars do not have.
    """
    if backend.NAME != "tensorflow" or not _across(tf.distribute.get_strategy()):
        return logs
    return {name: ops.reshape(value, (1,)) for name, value in logs.items()}


def check_last_batch(model, count: int, batch_size: int) -> None:
    """Raises if some replicas get nothing of an epoch's last batch: no mean is of none.

    Args:
        model: built in the scope of its strategy.
        count: examples of an epoch.
        batch_size: examples of the other batches, of all replicas together.
    """
    left = count % batch_size
    if 0 < left < of(model):
        raise ValueError(
            "`batch_size` must leave each replica a part of the last batch. Received: "
            f"{count} examples in batches of {batch_size}, the last of {left} for "
            f"{of(model)} replicas. Leave {left} examples out, or pass another "
            "batch_size."
        )


def several_workers(model) -> bool:
    """Whether a model trains in several processes."""
    if backend.NAME == "tensorflow":
        return _across(model.distribute_strategy)
    return backend.processes() > 1


def is_chief(model) -> bool:
    """Whether this process is the one that writes files."""
    if backend.NAME != "tensorflow" or not several_workers(model):
        return backend.process() == 0
    resolver = model.distribute_strategy.cluster_resolver
    chief = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return (resolver.task_type, resolver.task_id) == (chief, 0)


@contextlib.contextmanager
def by_itself():
    """Within it, a JAX process makes arrays of its own, not of all processes.

    Saving makes some, and a process that saves without the others would wait for them.
    """
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


@contextlib.contextmanager
def in_company(model):
    """Within it, the end of another worker is an error that says what to do.

    JAX ends the process itself, with a message of its own.

    Raises:
        RuntimeError: another worker has stopped.
    """
    if backend.NAME != "tensorflow" or not several_workers(model):
        yield
        return
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        lines = str(error).splitlines()
        why = next((line for line in lines if "task" in line), lines[0])
        raise RuntimeError(
            f"Another worker of this training has stopped, so this one ends: {why} "
            "Start all workers again; with callbacks.FullState in a folder that all of "
            "them see, they go on after the last epoch."
        ) from error


def _across(strategy) -> bool:
    return (
        isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        and strategy.extended._in_multi_worker_mode()
    )


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
