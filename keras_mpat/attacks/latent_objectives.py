"""What a `LatentAttack` raises: values of logits, embedding and head, not of logits
alone.

Shapes: B examples, C classes, K prototypes per class, D features.
"""

import abc
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_mpat.configurable import Configurable, check_count, check_switch
from keras_mpat.layers import SimilarityHead
from keras_mpat.losses.directions import unit
from keras_mpat.objectives import Margin, class_ids

_NEVER = -1e9  # below every similarity, and finite where it is multiplied by 0
_MARGIN = Margin(kappa=None)


class View(NamedTuple):
    """What a batch looks like from inside.

    Attributes:
        logits: what the classifier says, (B, C) float32.
        embedding: (B, D) float32, of any length.
        head: the `Head`, or `None`.
    """

    logits: Any
    embedding: Any
    head: Any


class LatentObjective(Configurable, abc.ABC):
    """Base of objectives that know the head. Subclasses are frozen dataclasses."""

    @property
    def aims(self) -> int:
        """How many different aims there are; each has a run of its own."""
        return 1

    def aim(self, labels, clean: View, number):
        """What run `number` heads for, from the clean images; 0 where all aim alike.

        Args:
            labels: int32 (B,).
            clean: their view.
            number: an int or a scalar tensor, below `aims`.
        """
        return ops.zeros_like(labels)

    def check_head(self, head) -> None:
        """Raises if it cannot be raised with this `Head`, or with `None`."""

    @abc.abstractmethod
    def __call__(self, labels, view: View, aim):
        """Value per example (B,); higher is worse for the model."""


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class SimilarityMargin(LatentObjective):
    """The lead of the best wrong class among the head's scaled similarities.

    Args:
        with_logits: whether the lead among the classifier's logits is added.
    """

    with_logits: bool = False

    def __post_init__(self):
        check_switch("with_logits", self.with_logits)

    def check_head(self, head):
        if not isinstance(head, SimilarityHead):
            raise ValueError(_needs(head, "similarities"))

    def __call__(self, labels, view, aim):
        lead = _MARGIN(labels, view.head.logits(view.embedding))
        return lead + _MARGIN(labels, view.logits) if self.with_logits else lead


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class UnnormalizedMargin(LatentObjective):
    """The lead of the best foreign prototype in products with the raw embedding.

    max_{c != y, k} h·w_ck - max_k h·w_yk over prototypes in use: no division by the
    length of h, no softmax, no scale, whose gradients may vanish.
    """

    def check_head(self, head):
        _check_prototypes(head)

    def __call__(self, labels, view, aim):
        products, own, foreign = _products(labels, view, view.embedding)
        return _largest(products, foreign) - _largest(products, own)


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class TowardPrototype(LatentObjective):
    """The lead of one foreign prototype: h·w_ck - max_k h·w_yk, with h of length 1.

    Run r takes the foreign prototype in use that is the r-th nearest one of the clean
    image. A softmax over prototypes shows a gradient of the nearest one alone.

    Args:
        prototypes: how many of them, >= 1. Where fewer are in use, they come again.
    """

    prototypes: int = 20

    def __post_init__(self):
        check_count("prototypes", self.prototypes, "The usual number is 20.")

    def check_head(self, head):
        _check_prototypes(head)

    @property
    def aims(self):
        return self.prototypes

    def aim(self, labels, clean, number):
        products, _, foreign = _products(labels, clean, unit(clean.embedding))
        count = min(self.prototypes, products.shape[-1])
        _, order = ops.top_k(ops.where(foreign, products, _NEVER), count)
        there = ops.sum(ops.cast(foreign, "int32"), axis=-1)
        rank = ops.cast(number, "int32") % ops.clip(there, 1, count)
        chosen = ops.one_hot(rank, count, dtype="int32")
        return ops.sum(chosen * ops.cast(order, "int32"), axis=-1)

    def __call__(self, labels, view, aim):
        products, own, _ = _products(labels, view, unit(view.embedding))
        chosen = ops.one_hot(aim, products.shape[-1], dtype=products.dtype)
        return ops.sum(chosen * products, axis=-1) - _largest(products, own)


def _check_prototypes(head) -> None:
    if head is None or head.prototype_directions() is None:
        raise ValueError(_needs(head, "prototypes"))


def _needs(head, what: str) -> str:
    return (
        f"`head` must have {what} for this objective. Received: head of type "
        f"{type(head).__name__}. Pass the head of a model that was trained with "
        "SoftTripleHead(10), or FeatureMatching, which needs none."
    )


def _products(labels, view: View, vectors):
    """(products, own, foreign), (B, C K) each, of vectors (B, D) with prototypes.

    `own` and `foreign` say which are in use, of the own class and of others.
    """
    directions, active = view.head.prototype_directions()
    classes, size, features = directions.shape
    flat = ops.reshape(directions, (classes * size, features))
    column = np.repeat(np.arange(classes, dtype="int32"), size)
    mine = ops.equal(column[None], class_ids(labels, classes)[:, None])
    used = ops.reshape(active, (1, -1)) > 0
    products = ops.matmul(vectors, ops.transpose(flat))
    own = ops.logical_and(mine, used)
    return products, own, ops.logical_and(ops.logical_not(mine), used)


def _largest(products, allowed):
    return ops.max(ops.where(allowed, products, _NEVER), axis=-1)
