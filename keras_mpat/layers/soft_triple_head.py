"""The SoftTriple head: several prototypes per class, one similarity per class.

head = keras_mpat.SoftTripleHead(10, prototypes_per_class=5)
model = keras_mpat.AdversarialModel(classifier, strategy=..., head=head)
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.configurable import (
    check_count,
    check_not_negative,
    check_positive,
    check_switch,
)
from keras_mpat.layers.head import SimilarityHead
from keras_mpat.layers.initialization import (
    check_initializer,
    random_directions,
    serialized,
)
from keras_mpat.layers.prototypes import Survivors, nearest, survivors
from keras_mpat.losses.directions import unit
from keras_mpat.losses.soft_triple import (
    SoftTriple,
    prototype_regularizer,
    soft_similarities,
)


@keras.saving.register_keras_serializable("keras_mpat")
class SoftTripleHead(SimilarityHead):
    """Similarity of an embedding to each class, over several prototypes per class.

    Args:
        num_classes: C, >= 2.
        prototypes_per_class: K, an int or one int per class; 1 is the single-mode
            variant (a normalised softmax). K should be below the number of training
            examples of a class.
        gamma: temperature of the softmax over the prototypes of a class, > 0.
        scale: lambda, the factor on the similarities, > 0. The authors advise 10 if
            training diverges.
        margin: delta, subtracted from the similarity of the true class in the loss.
        tau: weight of the regulariser that pulls prototypes of a class together, >= 0.
        initializer: `"soft_triple"` (uniform within 1 / sqrt(C K), as published),
            `"unit"` (random directions of length 1) or a Keras initializer.
        multiplicity: whether a prototype that others were merged into weighs as much as
            all of them (log n_k is added to its score); default False. Merging equal
            prototypes then leaves the similarities as they are.
        clean_dml, step_multiplier: as in `SimilarityHead`.
        name, dtype: as in `keras.layers.Layer`; float32 also under mixed precision.

    Weights: `prototypes` (C, K, D), which train; `active` (C, K), 1 for prototypes in
    use; `counts` (C, K), how many of the first ones each stands for, 0 where inactive.

    Call arguments:
        embeddings: (B, D), any length; normalised inside.

    Input shape: (B, D). Output shape: (B, C), `scale` times similarities in [-1, 1].

    Raises:
        ValueError: a count below 1, a list whose length is not C, a multiplicity that
            is no boolean, or a gamma, scale, margin or tau out of range.

    References:
        Qian et al., arXiv:1909.05235, equations 5-10; MPAT, Sensors 23(13):6173,
        equations 3 and 4.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        prototypes_per_class: int | Sequence[int] = 10,
        gamma: float = 0.1,
        scale: float = 20.0,
        margin: float = 0.01,
        tau: float = 0.2,
        initializer="soft_triple",
        multiplicity: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_count(
            "num_classes", num_classes, "Ten digits are num_classes=10.", minimum=2
        )
        for name, value in (("gamma", gamma), ("scale", scale)):
            check_positive(name, value, "a factor", "The paper uses 0.1 and 20.")
        check_not_negative("tau", tau, "a weight", "The paper uses 0.2.")
        check_initializer(initializer, "soft_triple")
        check_switch("multiplicity", multiplicity)
        self.num_classes = num_classes
        self.prototypes_per_class = prototypes_per_class
        self.gamma = gamma
        self.scale = scale
        self.margin = margin
        self.tau = tau
        self.initializer = initializer
        self.multiplicity = multiplicity
        self._sizes = _sizes(prototypes_per_class, num_classes)
        self.loss()  # raises here, not in training, if the margin is out of range

    def build(self, input_shape):
        if len(input_shape) != 2:
            raise ValueError(
                "`embeddings` must have the shape (B, D). Received: embeddings of "
                f"shape {tuple(input_shape)}. Pool or flatten them first."
            )
        most = max(self._sizes)
        self.prototypes = self.add_weight(
            name="prototypes",
            shape=(self.num_classes, most, input_shape[-1]),
            initializer=self.unstepped(self._initializer(most)),
        )
        mask = np.arange(most)[None] < np.asarray(self._sizes)[:, None]
        self.active, self.counts = (
            self.add_weight(
                name=name,
                shape=(self.num_classes, most),
                initializer=lambda shape, dtype: ops.cast(mask, dtype),
                trainable=False,
            )
            for name in ("active", "counts")
        )

    def _initializer(self, most: int):
        if self.initializer == "soft_triple":
            bound = 1.0 / math.sqrt(self.num_classes * most)
            return keras.initializers.RandomUniform(-bound, bound)
        if self.initializer == "unit":
            return random_directions
        return keras.initializers.get(self.initializer)

    def logits(self, embeddings):
        return self.scale * soft_similarities(
            ops.cast(embeddings, "float32"),
            self.stepped(self.prototypes),
            self.active,
            self.gamma,
            self.counts if self.multiplicity else None,
        )

    def loss(self):
        return SoftTriple(margin=self.margin, scale=self.scale)

    def regularization(self):
        return self.tau * prototype_regularizer(
            self.stepped(self.prototypes), self.active
        )

    def prototype_directions(self):
        return unit(self.stepped(self.prototypes)), self.active

    def compact(self) -> Survivors:
        """The active prototypes of each class: directions, counts and slots.

        Raises:
            ValueError: the head is not built.
        """
        return survivors(*self._values())

    def assign(self, embeddings, labels=None):
        """The nearest active prototype of each embedding, by cosine.

        Args:
            embeddings: (N, D), an array or a tensor.
            labels: (N,), (N, 1) or one-hot (N, C): only prototypes of the own class;
                default None: of all classes.

        Returns:
            (classes (N,), slots (N,)), int32: `head.prototypes[classes, slots]`.

        Raises:
            ValueError: the head is not built, or a wrong shape or class.
        """
        prototypes, active, _ = self._values()
        return nearest(embeddings, labels, prototypes, active)

    def _values(self):
        if not self.built:
            raise ValueError(
                f"`head` must be built before its prototypes are read. Received: "
                f"{self.name!r} that has no weights yet. Call it on embeddings, or "
                "give it to a model, first."
            )
        weights = (self.prototypes, self.active, self.counts)
        return tuple(backend.value(weight) for weight in weights)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "prototypes_per_class": self.prototypes_per_class,
            "gamma": self.gamma,
            "scale": self.scale,
            "margin": self.margin,
            "tau": self.tau,
            "initializer": serialized(self.initializer),
            "multiplicity": self.multiplicity,
        }


def _sizes(prototypes_per_class, num_classes: int) -> list[int]:
    counts = prototypes_per_class
    if not isinstance(counts, (list, tuple, np.ndarray)):
        counts = [counts] * num_classes
    if len(counts) != num_classes:
        raise ValueError(
            "`prototypes_per_class` must be an int or one int per class. Received: "
            f"{len(counts)} numbers for num_classes={num_classes}: {counts}. Pass one "
            "number for all classes."
        )
    for count in counts:
        check_count("prototypes_per_class", count, "The paper starts with 10.")
    return [int(count) for count in counts]
