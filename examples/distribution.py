"""Devices and machines of a run: train.py --distribute mirrored|multi_worker|jax.

mirrored       the devices of this machine, by tf.distribute.MirroredStrategy
multi_worker   one process per machine, each by the same command with its TF_CONFIG
jax            all devices of JAX; of several machines where each command has its
               KERAS_DISTRIBUTION_JOB_ADDRESSES, _NUM_PROCESSES and _PROCESS_ID
"""

import contextlib
import os
from contextlib import AbstractContextManager
from typing import Any

import keras
from settings import Settings

from keras_mpat import backend, datasets
from keras_mpat.choices import check_choice

KINDS = ("none", "mirrored", "multi_worker", "jax")
_SEVERAL = "KERAS_DISTRIBUTION_NUM_PROCESSES"


def strategy(kind: str, settings: Settings) -> Any:
    """The strategy of TensorFlow; `None` without one. Before any computation.

    Raises:
        ValueError: an unknown kind, another backend, no TF_CONFIG, or a pretraining,
            which one process does.
    """
    check_choice("distribute", kind, KINDS)
    if kind == "none":
        return None
    needed = "jax" if kind == "jax" else "tensorflow"
    if keras.backend.backend() != needed:
        raise ValueError(
            f"`distribute` {kind} needs KERAS_BACKEND={needed}. Received: "
            f"{keras.backend.backend()}. Set it, or pass another of "
            f"{', '.join(KINDS)}."
        )
    if settings.pretrain is not None:
        raise ValueError(
            f"`distribute` {kind} trains, and one process pretrains. Received: "
            f"pretrain={settings.pretrain}. Pretrain in a run of its own, then pass "
            "--pretrained RUN/pretraining."
        )
    if kind == "jax":
        return _spread_over_jax(settings)
    import tensorflow as tf

    if kind == "mirrored":
        return tf.distribute.MirroredStrategy()
    if "TF_CONFIG" not in os.environ:
        raise ValueError(
            "`distribute` multi_worker needs the environment variable TF_CONFIG, which "
            "names all workers and this one. Received: none. See the README, several "
            "machines."
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def _spread_over_jax(settings: Settings) -> None:
    if int(os.environ.get(_SEVERAL, 1)) > 1:
        keras.distribution.initialize()
    devices = len(keras.distribution.list_devices())
    if settings.batch_size % devices:
        raise ValueError(
            "`batch_size` must be a multiple of the devices. Received: batch_size="
            f"{settings.batch_size} with {devices} devices. Pass --batch_size="
            f"{devices * max(1, settings.batch_size // devices)}."
        )
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(auto_shard_dataset=False)
    )


def mine(stream):
    """A stream of batches, or on several JAX processes this one's rows of them."""
    count = backend.processes()
    if count == 1:
        return stream
    return datasets.Share(stream, index=backend.process(), count=count)


def held_out(x, y, batch_size: int):
    """The same of arrays that are looked at in order."""
    if backend.processes() == 1:
        return x, y
    return mine(datasets.from_arrays(x, y, batch_size=batch_size))


def scope(strategy) -> AbstractContextManager:
    """Where the model is built."""
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def share_statistics(classifier: keras.Model, shared: bool) -> None:
    """Whether BatchNorm takes the statistics of a batch over all devices.

    While training, so that several end where one would; not in the saved classifier,
    which JAX could not load.
    """
    for layer in classifier.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = shared
