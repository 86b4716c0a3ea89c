"""What a metric-learning head is: a term of the loss on embeddings, and its weights."""

import abc

import keras
from keras import ops

from keras_mpat import noise
from keras_mpat.configurable import check_count, check_positive, check_switch

# Their steps depend on the length of a weight, so that `stepped` changes none.
_RELATIVE = ("Adafactor", "Ftrl", "Lamb")


def main_view(outputs: dict):
    """The entry that the update is about: of the adversarial view, or the first."""
    if "adversarial" in outputs:
        return outputs["adversarial"]
    return next(iter(outputs.values()))


class Head(keras.layers.Layer, abc.ABC):
    """Base of heads, computed in float32 whatever the policy.

    A head owns what the term needs to remember, because variables inside a
    `keras.losses.Loss` are neither trained nor saved. `AdversarialModel` asks it for
    further inputs before an update (`views`) and weights `embedding_loss` and
    `regularization` by `head_weight`. Most heads are a `SimilarityHead`.

    Attributes:
        num_classes: C.
        joint_forward: whether all views of a batch pass the network as one batch, with
            common BatchNorm statistics, instead of one after the other.
    """

    num_classes: int
    joint_forward = False

    def __init__(self, *, name=None, dtype="float32", **kwargs):
        super().__init__(name=name, dtype=dtype, **kwargs)

    def build_for(self, example_shape: tuple) -> None:
        """Creates weights that depend on the shape of an input; most heads have none.

        Called before `build`, which is for those that depend on D.
        """

    def check_labels(self, classes) -> None:
        """Raises if data with these classes alone cannot train the head.

        Args:
            classes: the different labels of an array, or of the first batch of a
                stream.
        """

    def check_optimizer(self, optimizer) -> None:
        """Raises if the head cannot work with this Keras optimizer."""

    def views(self, model, x, y, views: dict) -> dict:
        """Further inputs (B, ...) whose embeddings the loss needs, by view name.

        Called before the update, outside the gradient.

        Args:
            model: the `AdversarialModel`; `model.embed(x)` gives embeddings in
                inference mode.
            x: clean inputs (B, ...).
            y: labels, int32 (B,).
            views: those of the strategy.
        """
        return {}

    def after_batch(self, x, y) -> None:
        """Called once per batch of data, after its last update.

        Args:
            x: clean inputs (B, ...).
            y: labels, int32 (B,).
        """

    @abc.abstractmethod
    def embedding_loss(self, y, embeddings: dict, sample_weight=None):
        """The term of the loss that sees examples: a scalar, the mean over them.

        Args:
            y: labels, int32 (B,).
            embeddings: float32 (B, D) by view name.
            sample_weight: (B,) or `None`.
        """

    def regularization(self):
        """The term of the loss that sees no example: a scalar."""
        return ops.zeros(())

    def prototype_directions(self):
        """The prototypes that embeddings are compared with, for attacks on them.

        Returns:
            (directions (C, K, D) of length 1, active (C, K), 1 for those in use), or
            `None`: a head without prototypes.
        """
        return None


class PairHead(Head):
    """Base of heads that compare the examples of a batch with each other.

    Args:
        seed: seed of their choices, >= 0.
        name, dtype: as in `keras.layers.Layer`.
    """

    num_classes = None  # any

    def __init__(self, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        check_count("seed", seed, "Pass seed=0.", minimum=0)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.seed_state = self.seed_generator.state  # saved only as a weight

    def partners(self, keys, y):
        """A random other example of the class for each: (indices (B,), exists (B,)).

        The index of an example that is alone in its class is its own.
        """
        own = ops.arange(ops.shape(y)[0], dtype="int32")
        others = ops.logical_and(y[:, None] == y[None], own[:, None] != own[None])
        index, exists = noise.choice(keys, others)
        return ops.where(exists, index, own), exists

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}

    def check_labels(self, classes):
        if len(classes) < 2:
            raise ValueError(
                f"`y` must hold at least two classes in a batch, because {self.name} "
                f"compares them. Received: labels that are all {classes[0]}. Shuffle "
                "the data, or draw batches by keras_mpat.datasets.balanced."
            )


class SimilarityHead(Head):
    """Base of heads with prototypes or proxies: (B, D) -> (B, C) similarities.

    Used as a plain layer, `call` adds the term without examples by `add_loss`.

    Args:
        clean_dml: whether the loss sees the clean batch, too, in one more forward pass
            of its own; its mean is over both.
        step_multiplier: factor on the steps of the prototypes, > 0, under optimizers
            whose step does not depend on a weight's length: SGD, Adam, AdamW, Lion …,
            not Adafactor, Ftrl or Lamb. SoftTriple fine-tunes pretrained networks
            with 100.
        name, dtype: as in `keras.layers.Layer`.
    """

    def __init__(self, *, clean_dml: bool = False, step_multiplier=1.0, **kwargs):
        super().__init__(**kwargs)
        fix = "1 steps as the rest of the network does."
        check_positive("step_multiplier", step_multiplier, "a factor", fix)
        check_switch("clean_dml", clean_dml)
        self.clean_dml = clean_dml
        self.step_multiplier = step_multiplier

    def check_optimizer(self, optimizer):
        name = type(optimizer).__name__
        if name in _RELATIVE and self.step_multiplier != 1:
            raise ValueError(
                "`step_multiplier` has no effect with optimizers whose step is "
                f"relative to the weight. Received: {name}, "
                f"step_multiplier={self.step_multiplier}. Use SGD or Adam, or leave "
                "step_multiplier out."
            )

    def call(self, embeddings):
        self.add_loss(self.regularization())
        return self.logits(embeddings)

    @abc.abstractmethod
    def logits(self, embeddings):
        """Scaled similarities (B, C) of embeddings (B, D), without margin."""

    @abc.abstractmethod
    def loss(self) -> keras.losses.Loss:
        """A loss without variables on (labels, `logits(embeddings)`)."""

    def views(self, model, x, y, views):
        return {"clean": x} if self.clean_dml else {}

    def embedding_loss(self, y, embeddings, sample_weight=None):
        embedding = main_view(embeddings)
        if self.clean_dml and len(embeddings) > 1:
            embedding = ops.concatenate([embedding, embeddings["clean"]])
            y = ops.concatenate([y, y])
            if sample_weight is not None:
                sample_weight = ops.concatenate([sample_weight, sample_weight])
        return self.loss()(y, self.logits(embedding), sample_weight)

    def stepped(self, weight):
        """`step_multiplier * weight`, whose gradient passes to `weight` unchanged.

        So a step of an optimizer on `weight` is one `step_multiplier` times as long
        on the result; averages and accumulated gradients keep their meaning.
        """
        if self.step_multiplier == 1:
            return weight
        return ops.stop_gradient((self.step_multiplier - 1.0) * weight) + weight

    def unstepped(self, initializer):
        """An initializer of a weight whose `stepped` value `initializer` gives."""
        if self.step_multiplier == 1:
            return initializer
        return lambda shape, dtype: initializer(shape, dtype) / self.step_multiplier

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_classes)

    def get_config(self):
        return {
            **super().get_config(),
            "clean_dml": self.clean_dml,
            "step_multiplier": self.step_multiplier,
        }
