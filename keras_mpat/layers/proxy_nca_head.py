"""The Proxy-NCA head: one proxy per class, compared by squared distance.

head = keras_mpat.ProxyNCAHead(10)
model = keras_mpat.AdversarialModel(classifier, strategy=..., head=head)
"""

import keras

from keras_mpat.layers.proxy_head import ProxyHead
from keras_mpat.losses.proxy_nca import ProxyNCA


@keras.saving.register_keras_serializable("keras_mpat")
class ProxyNCAHead(ProxyHead):
    """Minus the squared distance of an embedding to the proxy of each class.

    With the default loss it is a normalised softmax of twice the scale: SoftTriple with
    one prototype and without a margin.

    Args:
        num_classes: C, >= 2.
        scale: factor on the squared distances, > 0; 32 is what Proxy-Anchor's authors
            compare with, 1 is the paper's.
        include_positive: whether the loss's denominator has the class of the example,
            too, see `losses.ProxyNCA`.
        initializer: `"proxy_nca"` (normal with standard deviation 1/8, as in the
            published code), `"unit"` (random directions of length 1) or a Keras
            initializer.
        name, dtype: as in `keras.layers.Layer`; float32 also under mixed precision.

    Call arguments:
        embeddings: (B, D), any length; normalised inside.

    Input shape: (B, D). Output shape: (B, C), in [-4 * scale, 0].

    Raises:
        ValueError: fewer than two classes, a scale that is not positive or an
            `include_positive` that is not boolean.

    References:
        Movshovitz-Attias et al., arXiv:1703.07464, equation 4.
    """

    published = "proxy_nca"

    def __init__(
        self,
        num_classes: int,
        *,
        scale: float = 32.0,
        include_positive: bool = True,
        initializer="proxy_nca",
        **kwargs,
    ):
        super().__init__(num_classes, scale=scale, initializer=initializer, **kwargs)
        self.include_positive = include_positive
        self.loss()  # raises here, not in training, if it is not boolean

    def published_initializer(self):
        return keras.initializers.RandomNormal(stddev=0.125)

    def logits(self, embeddings):
        return self.scale * (2.0 * self.cosines(embeddings) - 2.0)

    def loss(self):
        return ProxyNCA(include_positive=self.include_positive)

    def get_config(self):
        return {**super().get_config(), "include_positive": self.include_positive}
