"""FeatureMatching: an image that looks, to the net, like one of another class.

Shapes: B examples, D features, N training images.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_mpat.attacks.latent_objectives import LatentObjective
from keras_mpat.configurable import check_count
from keras_mpat.input_checks import check_labels
from keras_mpat.learned import from_text, short_digest, to_text


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class FeatureMatching(LatentObjective):
    """Minus the distance of the embedding to that of a training image of another class.

    Run r takes the r-th nearest one of the clean image.

    Args:
        embeddings: of training images, (N, D) float32.
        labels: their classes, (N,), 0 ... C - 1; at least two different ones.
        neighbors: how many of the nearest, >= 1. Where fewer are of another class, they
            come again.

    References:
        Sabour et al., arXiv:1511.05122, equation 1.
    """

    embeddings: Any
    labels: Any
    neighbors: int = 5

    def __post_init__(self):
        check_count("neighbors", self.neighbors, "The usual number is 5.")
        embeddings = np.asarray(self.embeddings, "float32")
        labels = np.asarray(self.labels)
        if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
            raise ValueError(
                "`embeddings` must be (N, D) with one label each. Received: embeddings "
                f"of shape {embeddings.shape}, labels of shape {labels.shape}. Pass "
                "evaluation.embeddings(model, x) and y."
            )
        if len(np.unique(labels)) < 2:
            raise ValueError(
                "`labels` must hold at least two classes: images are led to another "
                f"one. Received: {len(labels)} labels of {len(np.unique(labels))} "
                "classes. Pass images of all classes."
            )
        check_labels(labels, int(labels.max()) + 1)
        object.__setattr__(self, "embeddings", embeddings)
        object.__setattr__(self, "labels", labels.astype("int32"))

    @property
    def aims(self):
        return self.neighbors

    def aim(self, labels, clean, number):
        """The embedding that run `number` heads for, (B, D)."""
        squared = ops.sum(ops.square(self.embeddings), axis=-1)
        products = ops.matmul(clean.embedding, ops.transpose(self.embeddings))
        foreign = ops.not_equal(self.labels[None], labels[:, None])
        # Without the squared length of the image itself, which ranks nothing.
        near = ops.where(foreign, 2.0 * products - squared, -float("inf"))
        count = min(self.neighbors, len(self.labels))
        _, order = ops.top_k(near, count)
        there = ops.sum(ops.cast(foreign, "int32"), axis=-1)
        rank = ops.cast(number, "int32") % ops.clip(there, 1, count)
        chosen = ops.one_hot(rank, count, dtype="int32")
        index = ops.sum(chosen * ops.cast(order, "int32"), axis=-1)
        return ops.take(ops.convert_to_tensor(self.embeddings), index, axis=0)

    def __call__(self, labels, view, aim):
        return -ops.sum(ops.square(view.embedding - aim), axis=-1)

    def get_config(self):
        numbers = to_text([self.embeddings, self.labels])
        return {"numbers": numbers, "neighbors": self.neighbors}

    @classmethod
    def from_config(cls, config):
        embeddings, labels = from_text(config["numbers"])
        return cls(embeddings, labels, neighbors=config["neighbors"])

    def __repr__(self):
        told = f"numbers {short_digest([self.embeddings, self.labels])}"
        return f"FeatureMatching(<{told}>, neighbors={self.neighbors})"
