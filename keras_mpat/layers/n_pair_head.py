"""The N-pair term on the embeddings of the update's own batch: no further pass."""

import keras
from keras import ops

from keras_mpat import noise
from keras_mpat.configurable import check_not_negative, check_switch
from keras_mpat.layers.head import PairHead, main_view
from keras_mpat.losses.n_pair import n_pair, n_pair_l2, one_pair_per_class
from keras_mpat.losses.weighting import weighted_mean


@keras.saving.register_keras_serializable("keras_mpat")
class NPairHead(PairHead):
    """N-pair loss: each example finds its partner of the class among all partners.

    The partner is a random other example of the batch with the same class, adversarial
    as the example itself; an example that is alone in its class is its own. Draw
    batches with several examples of each class: `datasets.balanced`.

    Args:
        l2_weight: factor on the squared lengths of the embeddings, >= 0; products of
            vectors that are not normalised need it.
        normalize: whether cosines are compared instead of products.
        one_pair_per_class: whether only the first pair of each class takes part, as in
            pytorch-metric-learning; two pairs in a batch of two classes.
        seed: seed of the choices, >= 0.
        name, dtype: as in `keras.layers.Layer`.

    Raises:
        ValueError: a weight below 0 or a switch that is neither True nor False.

    References:
        Sohn, NIPS 2016, equations 6 and 7.
    """

    def __init__(
        self,
        *,
        l2_weight: float = 0.002,
        normalize: bool = False,
        one_pair_per_class: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_not_negative("l2_weight", l2_weight, "a factor", "0.002 is usual.")
        check_switch("normalize", normalize)
        check_switch("one_pair_per_class", one_pair_per_class)
        self.l2_weight = l2_weight
        self.normalize = normalize
        self.one_pair_per_class = one_pair_per_class

    def embedding_loss(self, y, embeddings, sample_weight=None):
        anchors = main_view(embeddings)
        size = ops.shape(anchors)[0]
        index, exists = self.partners(noise.keys(self.seed_generator, size), y)
        positives = ops.take(anchors, index, axis=0)
        used, share = None, 1.0
        if self.one_pair_per_class:
            used = one_pair_per_class(y, exists)
            share = ops.mean(ops.cast(used, "float32"))
        values = n_pair(
            anchors, positives, y, used=used, normalize=self.normalize
        ) / ops.maximum(share, 1.0 / ops.cast(size, "float32"))
        if self.l2_weight > 0:
            values += n_pair_l2(anchors, positives, self.l2_weight)
        return weighted_mean(values, sample_weight)

    def get_config(self):
        names = ("l2_weight", "normalize", "one_pair_per_class")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
