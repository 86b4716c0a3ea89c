"""What a metric-learning head is: a layer from embeddings to class similarities."""

import abc

import keras
from keras import ops


class Head(keras.layers.Layer, abc.ABC):
    """Base of heads: (B, D) -> (B, C), computed in float32 whatever the policy.

    A head owns its prototypes or proxies, because variables inside a
    `keras.losses.Loss` are neither trained nor saved. Used as a plain layer, `call`
    adds the term without examples by `add_loss`; `AdversarialModel` asks for `logits`,
    `regularization` and `loss` and weights all of them by `head_weight`.
    """

    def __init__(self, *, name=None, dtype="float32", **kwargs):
        super().__init__(name=name, dtype=dtype, **kwargs)

    def call(self, embeddings):
        self.add_loss(self.regularization())
        return self.logits(embeddings)

    @abc.abstractmethod
    def logits(self, embeddings):
        """Scaled similarities (B, C) of embeddings (B, D), without margin."""

    @abc.abstractmethod
    def loss(self) -> keras.losses.Loss:
        """A loss without variables on (labels, `logits(embeddings)`), per example."""

    def regularization(self):
        """The term of the loss that sees no example: a scalar."""
        return ops.zeros(())
