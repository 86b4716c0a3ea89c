"""TLA's triplets: an adversarial image, a clean one of its class, one of another.

    TripletHead()                       TLA
    TripletHead(negatives="random")     TLA-RN
    TripletHead(anchor="clean")         TLA-SA
    TripletHead(negative_pool=4)        negatives from four batches

Draw batches that hold several images of each class: `datasets.balanced`.
"""

import keras
from keras import ops

from keras_mpat import noise
from keras_mpat.choices import check_choice
from keras_mpat.configurable import (
    check_count,
    check_not_negative,
    check_positive,
    check_switch,
)
from keras_mpat.layers.head import PairHead, main_view
from keras_mpat.losses.angular_triplet import (
    NORM_FORMS,
    angular_triplet,
    feature_norms,
    hardest_negatives,
)
from keras_mpat.losses.weighting import weighted_mean


@keras.saving.register_keras_serializable("keras_mpat")
class TripletHead(PairHead):
    """The triplet term of TLA on embeddings, with angular distances.

    The positive is another clean image of the batch with the same class (the image
    itself if there is none), the negative a clean image of another class. Both pass the
    network once more in training mode, so an update costs about two passes more; mining
    takes two passes in inference mode. An image without any negative adds nothing.

    The term is mean_i (max(D(a, p) - D(a, n) + margin, 0) + norm_weight * L_norm), all
    of it times `head_weight`; lambda_2 of the paper is `head_weight * norm_weight`.

    Args:
        margin: by how much the negative should be further away, in angular distance,
            (0, 1]; in TLA 0.03 for CIFAR-10, 0.05 for MNIST.
        anchor: `"adversarial"`, or `"clean"`: the clean image of the class is the
            anchor and the adversarial one its positive (TLA-SA).
        negatives: `"hardest"`: the one closest to the anchor, or `"random"` (TLA-RN).
        negative_pool: batches the negative is chosen from, >= 1: this one and the
            clean images of those before it, which are kept as a weight.
        batch_size: images in a batch, for the size of that weight.
        norm_weight: factor of L_norm, >= 0.
        norm: `"code"`: mean square of the features, summed over the three roles, as
            published; `"paper"`: their Euclidean lengths.
        joint_forward: whether the three roles pass the network as one batch. `False`
            is as published: one after the other, each with BatchNorm statistics of its
            own. Two of three are clean, so the averages fit the adversarial images,
            which nobody trained with them, badly: on `mnist_2` PGD-20 left 70 % of the
            images instead of 87 %. Without BatchNorm both are the same.
        seed: seed of the choices, >= 0.
        name, dtype: as in `keras.layers.Layer`.

    Raises:
        ValueError: an unknown name, or a number out of range.

    References:
        Mao et al. (TLA), arXiv:1909.00900, equation 1 and section 5.
    """

    def __init__(
        self,
        *,
        margin: float = 0.03,
        anchor: str = "adversarial",
        negatives: str = "hardest",
        negative_pool: int = 1,
        batch_size: int = 128,
        norm_weight: float = 0.001,
        norm: str = "code",
        joint_forward: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_positive("margin", margin, "angular distance", "TLA uses 0.03.")
        if margin > 1:
            raise ValueError(
                "`margin` must be at most 1, the largest angular distance. Received: "
                f"margin={margin}. TLA uses 0.03."
            )
        check_choice("anchor", anchor, ("adversarial", "clean"))
        check_choice("negatives", negatives, ("hardest", "random"))
        check_choice("norm", norm, NORM_FORMS)
        check_count("negative_pool", negative_pool, "1 is the batch itself.")
        check_count("batch_size", batch_size, "Pass the batch size of `fit`.")
        check_not_negative("norm_weight", norm_weight, "a factor", "TLA uses 0.001.")
        check_switch("joint_forward", joint_forward)
        self.margin = margin
        self.anchor = anchor
        self.negatives = negatives
        self.negative_pool = negative_pool
        self.batch_size = batch_size
        self.norm_weight = norm_weight
        self.norm = norm
        self.joint_forward = joint_forward
        self.pool = None

    def build_for(self, example_shape):
        kept = (self.negative_pool - 1) * self.batch_size
        if kept == 0:
            return
        common = {"trainable": False, "aggregation": "only_first_replica"}
        self.pool = self.add_weight(name="pool", shape=(kept, *example_shape), **common)
        self.pool_labels = self.add_weight(
            name="pool_labels",
            shape=(kept,),
            dtype="int32",
            initializer=lambda shape, dtype: -ops.ones(shape, dtype),  # empty
            **common,
        )

    def check_labels(self, classes):
        if self.pool is None:  # else batches before it have the other classes
            super().check_labels(classes)

    def get_build_config(self):
        config = super().get_build_config()
        shape = None if self.pool is None else self.pool.shape[1:]
        return config and {**config, "example_shape": shape}

    def build_from_config(self, config):
        config = dict(config)
        if (shape := config.pop("example_shape")) is not None:
            self.build_for(shape)
        super().build_from_config(config)

    def views(self, model, x, y, views):
        keys = noise.keys(self.seed_generator, ops.shape(x)[0])
        index, _ = self.partners(noise.fold(keys, 1), y)
        partners = ops.take(x, index, axis=0)
        adversarial = self.anchor == "adversarial"
        anchors = main_view(views) if adversarial else partners
        pool, labels = self._pool(x, y)
        if self.negatives == "hardest":
            embedded = model.embed(anchors), model.embed(pool)
            index, _ = hardest_negatives(*embedded, y, labels)
        else:
            other = ops.logical_and(labels[None] != y[:, None], labels[None] >= 0)
            index, _ = noise.choice(noise.fold(keys, 2), other)
        negatives = ops.take(pool, index, axis=0)
        role = "positive" if adversarial else "anchor"
        return {role: partners, "negative": negatives}

    def _pool(self, x, y):
        if self.pool is None:
            return x, y
        return (
            ops.concatenate([x, ops.convert_to_tensor(self.pool)]),
            ops.concatenate([y, ops.convert_to_tensor(self.pool_labels)]),
        )

    def after_batch(self, x, y):
        if self.pool is None:
            return
        for kept, new in ((self.pool, x), (self.pool_labels, y)):
            rows = ops.concatenate([new, ops.convert_to_tensor(kept)])[: kept.shape[0]]
            kept.assign(ops.reshape(rows, kept.shape))

    def embedding_loss(self, y, embeddings, sample_weight=None):
        main = main_view(embeddings)
        negatives = embeddings.get("negative")
        if negatives is None:  # without weight in the loss nobody asks for views
            return ops.zeros(())
        if self.anchor == "adversarial":
            anchors, positives = main, embeddings["positive"]
        else:
            anchors, positives = embeddings["anchor"], main
        exists = self._has_negative(y)
        values = angular_triplet(anchors, positives, negatives, self.margin, exists)
        if self.norm_weight > 0:
            norms = feature_norms(anchors, positives, negatives, form=self.norm)
            values += self.norm_weight * norms
        return weighted_mean(values, sample_weight)

    def _has_negative(self, labels):
        known = labels
        if self.pool is not None:
            known = ops.concatenate([labels, ops.convert_to_tensor(self.pool_labels)])
        other = ops.logical_and(known[None] != labels[:, None], known[None] >= 0)
        return ops.any(other, axis=-1)

    def get_config(self):
        names = (
            "margin anchor negatives negative_pool batch_size norm_weight norm "
            "joint_forward"
        )
        config = {name: getattr(self, name) for name in names.split()}
        return {**super().get_config(), **config}
