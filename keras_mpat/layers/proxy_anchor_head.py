"""The Proxy-Anchor head: one proxy per class, which gathers the examples of a batch.

head = keras_mpat.ProxyAnchorHead(10)
model = keras_mpat.AdversarialModel(classifier, strategy=..., head=head)
"""

import math

import keras

from keras_mpat.layers.proxy_head import ProxyHead
from keras_mpat.losses.proxy_anchor import ProxyAnchor


@keras.saving.register_keras_serializable("keras_mpat")
class ProxyAnchorHead(ProxyHead):
    """Scaled cosine of an embedding with the proxy of each class.

    The loss is one number per batch, not per example: see `losses.ProxyAnchor`, also
    for what a sample weight does.

    Args:
        num_classes: C, >= 2.
        scale: alpha, the factor on the cosines, > 0.
        margin: delta, the cosine that positives should exceed and negatives should be
            below the opposite of; >= 0.
        initializer: `"proxy_anchor"` (normal with variance 2 / C, as in the published
            code), `"unit"` (random directions of length 1) or a Keras initializer.
        name, dtype: as in `keras.layers.Layer`; float32 also under mixed precision.

    Call arguments:
        embeddings: (B, D), any length; normalised inside.

    Input shape: (B, D). Output shape: (B, C), in [-scale, scale].

    Raises:
        ValueError: fewer than two classes, a scale that is not positive or a negative
            margin.

    References:
        Kim et al., arXiv:2003.13911, equation 4.
    """

    published = "proxy_anchor"

    def __init__(
        self,
        num_classes: int,
        *,
        scale: float = 32.0,
        margin: float = 0.1,
        initializer="proxy_anchor",
        **kwargs,
    ):
        super().__init__(num_classes, scale=scale, initializer=initializer, **kwargs)
        self.margin = margin
        self.loss()  # raises here, not in training, if the margin is out of range

    def published_initializer(self):
        # He's normal with fan-out, which of (C, D) in the published code is C.
        return keras.initializers.RandomNormal(stddev=math.sqrt(2 / self.num_classes))

    def logits(self, embeddings):
        return self.scale * self.cosines(embeddings)

    def loss(self):
        return ProxyAnchor(margin=self.margin, scale=self.scale)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin}
