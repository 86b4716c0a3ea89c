"""Rules that choose the class that a targeted attack aims at.

A rule maps (labels, logits, keys) to classes (B,); the logits are those of the clean
images. Every rule is relative to the true label and never returns it.
"""

import abc
from dataclasses import dataclass

import keras
from keras import ops

from keras_mpat import noise
from keras_mpat.configurable import Configurable, check_count


class TargetRule(Configurable, abc.ABC):
    """Base of target rules: frozen dataclasses without state."""

    @abc.abstractmethod
    def __call__(self, labels, logits, keys):
        """Target classes int32 (B,) from labels (B,), logits (B, C), keys (B, 2)."""


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class LeastLikely(TargetRule):
    """The wrong class with the smallest logit on the clean image."""

    def __call__(self, labels, logits, keys):
        own = ops.one_hot(labels, logits.shape[-1], dtype="bool")
        others = ops.where(own, float("inf"), logits)
        return ops.cast(ops.argmin(others, axis=-1), "int32")


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class NextLabel(TargetRule):
    """The class after the true one: (y + 1) mod C."""

    def __call__(self, labels, logits, keys):
        return (labels + 1) % logits.shape[-1]


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class RandomLabel(TargetRule):
    """A class drawn uniformly from all but the true one."""

    def __call__(self, labels, logits, keys):
        num_classes = logits.shape[-1]
        shift = 1 + noise.integers(noise.fold(keys, 7), num_classes - 1)
        return (labels + shift) % num_classes


def wrong_class(labels, logits, rank):
    """The wrong class with the `rank`-th largest logit, counted from 0; int32 (B,).

    Args:
        labels: int32 (B,).
        logits: (B, C).
        rank: int or scalar tensor, 0 ... C - 2.
    """
    num_classes = logits.shape[-1]
    own = ops.one_hot(labels, num_classes, dtype="bool")
    _, order = ops.top_k(ops.where(own, -float("inf"), logits), num_classes - 1)
    return ops.cast(ops.take(order, rank, axis=-1), "int32")


def num_aims(target_classes: int | str | None, num_classes: int) -> int:
    """How many wrong classes are aimed at, one per run; 1 for an untargeted attack."""
    if target_classes is None:
        return 1
    wrong = num_classes - 1
    return wrong if target_classes == "all" else min(int(target_classes), wrong)


def check_target_classes(value) -> None:
    """Raises unless `value` is an integer >= 1, "all" or None."""
    if value is not None and value != "all":
        fix = "Pass 9, 'all', or None for an untargeted attack."
        check_count("target_classes", value, fix)
