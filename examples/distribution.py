"""Devices and machines of a run: train.py --distribute mirrored|multi_worker.

mirrored       the devices of this machine, by tf.distribute.MirroredStrategy
multi_worker   one process per machine, each by the same command with its TF_CONFIG
"""

import contextlib
import os
from contextlib import AbstractContextManager
from typing import Any

import keras
from settings import Settings

from keras_mpat.choices import check_choice

KINDS = ("none", "mirrored", "multi_worker")


def strategy(kind: str, settings: Settings) -> Any:
    """The strategy of TensorFlow; `None` for one device. Before anything else of it.

    Raises:
        ValueError: an unknown kind, another backend, no TF_CONFIG, or a pretraining,
            which one process does.
    """
    check_choice("distribute", kind, KINDS)
    if kind == "none":
        return None
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"`distribute` {kind} needs KERAS_BACKEND=tensorflow. Received: "
            f"{keras.backend.backend()}. Leave it out: JAX takes all devices with "
            "keras.distribution."
        )
    if settings.pretrain is not None:
        raise ValueError(
            f"`distribute` {kind} trains, and one process pretrains. Received: "
            f"pretrain={settings.pretrain}. Pretrain in a run of its own, then pass "
            "--pretrained RUN/pretraining."
        )
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
