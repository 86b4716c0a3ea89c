"""Prototypes that can stand for no mode: each image has one by lot, for good.

head = ShuffledHead(2, prototypes_per_class=3, batch_size=128)
model = keras_mpat.AdversarialModel(classifier, strategy=..., head=head)
"""

import keras
import numpy as np
from keras import ops

import keras_mpat as mpat
from keras_mpat.configurable import check_count
from keras_mpat.layers.head import main_view
from keras_mpat.losses.directions import unit
from keras_mpat.losses.soft_triple import soft_similarities

_PRIME = 1_048_573  # 784 products below it have a sum below 2^31
_LEVELS = 255


@keras.saving.register_keras_serializable("examples")
class ShuffledHead(mpat.SoftTripleHead):
    """A SoftTriple head whose images are tied to a prototype, not drawn to the nearest.

    A control: weights and loss are those of `SoftTripleHead`, but the similarity to the
    true class is that to one prototype of it, which a hash of the gray levels names.
    Prototypes of other classes repel as before. It is a `SoftTripleHead` because what
    looks at prototypes asks for one; without labels it works like one.

    Args:
        num_classes: C, >= 2.
        prototypes_per_class: K, >= 1, the same for all classes.
        batch_size: B, >= 1, of every batch in training.
        seed: of the lot, >= 0.
        kwargs: as in `SoftTripleHead`, without clean_dml.

    Weights: those of `SoftTripleHead`; `tied` (B,), places of the present batch.

    Raises:
        ValueError: a count out of range, K that differs between classes, or clean_dml.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        batch_size: int,
        prototypes_per_class: int = 10,
        seed: int = 0,
        **kwargs,
    ):
        if not isinstance(prototypes_per_class, int):
            raise ValueError(
                "`prototypes_per_class` must be one number, of which the lot draws. "
                f"Received: prototypes_per_class={prototypes_per_class}. Pass an int."
            )
        super().__init__(
            num_classes, prototypes_per_class=prototypes_per_class, **kwargs
        )
        if self.clean_dml:
            raise ValueError(
                "`clean_dml` has no effect here: the lot is drawn for one view. "
                "Received: clean_dml=True. Leave it out."
            )
        check_count("batch_size", batch_size, "Pass that of the stream.")
        check_count("seed", seed, "Pass seed=0.", minimum=0)
        self.batch_size = batch_size
        self.seed = seed

    def build(self, input_shape):
        super().build(input_shape)
        self.tied = self.add_weight(
            name="tied",
            shape=(self.batch_size,),
            initializer="zeros",
            dtype="int32",
            trainable=False,
        )

    def slots(self, x):
        """The prototype (B,) of clean images (B, ...) in [0, 1], int32 below K."""
        levels = ops.cast(ops.round(x * _LEVELS), "int32")
        levels = ops.reshape(levels, (-1, int(np.prod(x.shape[1:]))))
        factors = np.random.default_rng(self.seed).integers(
            1, _PRIME, levels.shape[1], dtype="int32"
        )
        # Whole numbers: the same in every batch, and on every device.
        terms = ops.mod(levels * factors, _PRIME)
        return ops.mod(
            ops.mod(ops.sum(terms, axis=1), _PRIME), self.prototypes_per_class
        )

    def views(self, model, x, y, views):
        self.tied.assign(self.slots(x))
        return {}

    def embedding_loss(self, y, embeddings, sample_weight=None):
        embedding = ops.cast(main_view(embeddings), "float32")
        prototypes = self.stepped(self.prototypes)
        soft = soft_similarities(embedding, prototypes, self.active, self.gamma)
        own = ops.one_hot(y, self.num_classes, dtype="float32")
        lot = ops.one_hot(self.tied, self.prototypes_per_class, dtype="float32")
        each = ops.einsum("bd,ckd->bck", unit(embedding), unit(prototypes))
        tied = ops.einsum("bck,bc,bk->b", each, own, lot)
        similarities = ops.where(own > 0, tied[:, None], soft)
        return self.loss()(y, self.scale * similarities, sample_weight)

    def get_config(self):
        return {
            **super().get_config(),
            "batch_size": self.batch_size,
            "seed": self.seed,
        }
