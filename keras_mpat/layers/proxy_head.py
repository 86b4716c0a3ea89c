"""What Proxy-NCA and Proxy-Anchor share: one proxy per class, compared by direction."""

import abc

import keras
from keras import ops

from keras_mpat.configurable import check_count, check_positive
from keras_mpat.layers.head import SimilarityHead
from keras_mpat.layers.initialization import (
    check_initializer,
    random_directions,
    serialized,
)
from keras_mpat.losses.directions import unit


class ProxyHead(SimilarityHead):
    """Base of heads with proxies (C, D), normalised on every forward pass.

    Args:
        num_classes: C, >= 2.
        scale: factor on the similarities, > 0.
        initializer: the name `published`, `"unit"` (random directions of length 1) or a
            Keras initializer. The length of a proxy changes no output; a longer one
            turns more slowly.
        clean_dml, step_multiplier: see `SimilarityHead`. Proxy-Anchor's authors step
            proxies 100 times as far as a pretrained network.
        name, dtype: as in `keras.layers.Layer`; float32 also under mixed precision.

    Attributes:
        published: the initializer's name for what the published code starts from.
    """

    published: str

    def __init__(self, num_classes, *, scale, initializer, **kwargs):
        super().__init__(**kwargs)
        check_count(
            "num_classes", num_classes, "Ten digits are num_classes=10.", minimum=2
        )
        check_positive("scale", scale, "a factor", "The usual value is 32.")
        check_initializer(initializer, self.published)
        self.num_classes = num_classes
        self.scale = scale
        self.initializer = initializer

    @abc.abstractmethod
    def published_initializer(self) -> keras.initializers.Initializer:
        """What the published code starts from."""

    def build(self, input_shape):
        if len(input_shape) != 2:
            raise ValueError(
                "`embeddings` must have the shape (B, D). Received: embeddings of "
                f"shape {tuple(input_shape)}. Pool or flatten them first."
            )
        own = {self.published: self.published_initializer(), "unit": random_directions}
        initializer = self.initializer
        if isinstance(initializer, str) and initializer in own:
            initializer = own[initializer]
        else:
            initializer = keras.initializers.get(initializer)
        self.proxies = self.add_weight(
            name="proxies",
            shape=(self.num_classes, input_shape[-1]),
            initializer=self.unstepped(initializer),
        )

    def prototype_directions(self):
        directions = unit(self.stepped(self.proxies))[:, None]
        return directions, ops.ones_like(directions[:, :, 0])

    def cosines(self, embeddings):
        """Cosines (B, C) of embeddings (B, D) with the proxies; 0 for a zero vector."""
        directions = unit(ops.cast(embeddings, "float32"))
        return ops.matmul(directions, ops.transpose(unit(self.stepped(self.proxies))))

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "scale": self.scale,
            "initializer": serialized(self.initializer),
        }
