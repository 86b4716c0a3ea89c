"""The model that connects a classifier, a strategy and a head, and leaves the rest to
Keras.

    model = AdversarialModel(classifier, strategy=PGDTraining(Linf(0.3)), head=head)
    model.compile(optimizer="adam", metrics=["accuracy"])
    model.fit(train, validation_data=validation, epochs=10)
    model.classifier.save("robust.keras")
"""

import warnings

import keras

from keras_mpat.attacks import Attack
from keras_mpat.layers import Head
from keras_mpat.layers.head import main_view
from keras_mpat.models import checks, forward
from keras_mpat.models.companions import Companions, Untracked
from keras_mpat.models.embedding import feature_model, layer_path
from keras_mpat.models.epoch_monitor import CollapseMetric
from keras_mpat.models.fitting import Fitting
from keras_mpat.models.steps import Steps
from keras_mpat.models.terms import Terms
from keras_mpat.objectives import class_ids
from keras_mpat.training import Strategy


@keras.saving.register_keras_serializable("keras_mpat")
class AdversarialModel(Steps, Terms, Fitting, Companions, keras.Model):
    """Trains a Keras classifier to withstand attacks, with `compile` and `fit`.

    The training loss is CE + head_weight * L_head + regularizer_weight * L_norm (MPAT,
    equation 5), on the views that the strategy makes of a batch. Predictions are those
    of the classifier; the head is an auxiliary branch on its embedding.

    Args:
        classifier: a Keras classifier that ends in C >= 2 logits. One that ends in
            softmax is rewired to logits, with the same weights. A subclassed one
            that gets a head has `features` and `classify`: `models/subclassed.py`.
        strategy: how a batch becomes an update, e.g. `training.PGDTraining(...)`.
        head: a metric-learning head such as `SoftTripleHead`; `None`: none.
        head_weight: lambda_1, >= 0; 0.5 in MPAT.
        regularizer: `"weights"`: half the sum of squares of all convolution and dense
            kernels (then set no weight decay in the optimizer); `"features"`: mean
            square of the embedding; `None`.
        regularizer_weight: lambda_2, >= 0; 0.001 in MPAT for CIFAR, 0.005 for MNIST.
        validation_attack: an attack whose accuracy `evaluate` reports as
            `robust_accuracy` and `fit` as `val_robust_accuracy`. An example that is
            wrong without the attack counts as not robust. Callbacks that watch it need
            `mode="max"`.
        feature_layer: where the embedding is, if not the input of the last layer: a
            layer, its name, `"inner/name"` or a tensor.
        predict_from: `"linear"`: predictions are those of the classifier; `"head"` (or
            `"softtriple"`): the similarities of the head, which needs one per class.
            Attacks ascend the loss of what `predict` returns, metrics are about it,
            and the training loss stays as above.
        seed: seed of all noise in training.

    Input shape: that of the classifier. Output shape: (B, C) logits.

    Logs: `loss`, `ce_loss`, `head_loss` and metrics, on what the update saw;
    `val_loss`, `val_accuracy` on clean data; `val_robust_accuracy` under the attack,
    and `val_worst_class_robust_accuracy`, that of the class with the lowest.

    Raises:
        ValueError: an argument of the wrong kind or out of range, a head for another
            number of classes, or a classifier without a findable embedding.

    References:
        Khan et al. (MPAT), Sensors 23(13):6173, 2023, equations 3-5.
    """

    def __init__(
        self,
        classifier,
        *,
        strategy: Strategy,
        head: Head | None = None,
        head_weight: float = 0.5,
        regularizer: str | None = None,
        regularizer_weight: float = 0.0,
        validation_attack: Attack | None = None,
        feature_layer=None,
        predict_from: str = "linear",
        seed: int = 0,
        name: str | None = None,
        **kwargs,
    ):
        checks.check_classifier(classifier, AdversarialModel)
        # float32 whatever the classifier's policy: its layers cast for themselves.
        super().__init__(name=name, dtype="float32", **kwargs)
        checks.check_arguments(locals())
        num_classes = checks.check_outputs(classifier, head)
        given, classifier = classifier, forward.with_logits(classifier)
        if classifier is not given:
            warnings.warn(
                f"`classifier` {classifier.name!r} ends in softmax; AdversarialModel "
                "trains its logits (keras_mpat.models.as_logits, the same weights).",
                stacklevel=2,
            )
        self.classifier = classifier
        self.num_classes = num_classes
        self.example_shape = checks.shapes(classifier)[0][1:]
        self.strategy = strategy
        self.head = head
        self.head_weight = head_weight
        self.regularizer = regularizer
        self.regularizer_weight = regularizer_weight
        if validation_attack is not None:
            validation_attack.check(self.example_shape, num_classes)
        self.validation_attack = validation_attack
        if feature_layer is not None:
            feature_layer = layer_path(classifier, feature_layer)
        self.feature_layer = feature_layer
        self.predict_from = predict_from
        self.seed = int(seed)
        self.label_form = ((), "int32")  # of the data seen last: shape and dtype
        self._build_parts()

    def _build_parts(self) -> None:
        self._features = None
        if self.head is not None or self.regularizer == "features":
            self._find_features()
        if self.head is not None:
            if not self.head.built:
                self.head.build_for(self.example_shape)
                self.head.build(self.features.outputs[1].shape)
                self.head.built = True
            size = self.features.outputs[1].shape[-1]
            checks.check_built_head(self.head, size, self.example_shape)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        # Keras saves the state of random numbers, dropout's too, only as weights.
        self.seed_state = self.seed_generator.state
        self.random_states = forward.random_states(self.classifier)
        self.strategy_state = self.strategy.build(self)
        self.logging = True
        self.ce_tracker = keras.metrics.Mean(name="ce_loss")
        self.head_tracker = keras.metrics.Mean(name="head_loss")
        self.collapse = CollapseMetric(self.num_classes)
        self.robust_metrics = self.build_robust_metrics()
        # Examples with wrong inputs and with wrong labels in this epoch.
        self.violations = self.add_weight(
            name="violations",
            shape=(2,),
            initializer="zeros",
            trainable=False,
            aggregation="mean",
        )
        self.built = True

    def call(self, x, training=False):
        if not isinstance(x, dict):
            return forward.predictions(self, x, training)
        outputs = forward.of_views(self, self.strategy.connect(self, x), training)
        terms = self.terms_without_labels(outputs)
        # On JAX, metrics are computed where the head has no weights any more.
        scores = forward.scores(self, *main_view(outputs))
        return {"views": outputs, "scores": scores, "terms": terms}

    def embed(self, x, training=False):
        """Embeddings (B, D) of inputs (B, ...), by default in inference mode."""
        if self._features is None:
            self._find_features()
        _, embedding = self.features(x, training=training)
        return embedding

    @property
    def features(self) -> keras.Model | None:
        """Inputs -> [logits, embedding], if a head, a norm or `embed` asked for it."""
        return self._features and self._features.model

    def _find_features(self) -> None:
        found = feature_model(self.classifier, self.feature_layer)
        self._features = Untracked(found)

    @property
    def predictor(self) -> keras.Model:
        """What `predict` computes, as a plain Keras model on the same layers."""
        if self.predict_from == "linear":
            return self.classifier
        image, embedding = self.features.inputs[0], self.features.outputs[1]
        return keras.Model(image, self.head(embedding), name=self.classifier.name)

    def logits_fn(self, norm_mode: str = "eval"):
        """What `predict` computes, as a function x -> logits, for attacks.

        Args:
            norm_mode: what BatchNorm does, see `training.AttackStrategy`.
        """
        return forward.logits_fn(self, norm_mode)

    def perturb(self, x, y):
        """The views of a batch: x (B, ...), y (B,) or one-hot -> {name: inputs}."""
        labels = class_ids(y, self.num_classes)
        views = self.strategy.perturb(self, x, labels)
        if self.head is not None and self.head_weight > 0:
            views = {**views, **self.head.views(self, x, labels, views)}
        return views

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "trainable": self.trainable,
            "classifier": serialize(self.classifier),
            "strategy": serialize(self.strategy),
            "head": serialize(self.head),
            "head_weight": self.head_weight,
            "regularizer": self.regularizer,
            "regularizer_weight": self.regularizer_weight,
            "validation_attack": serialize(self.validation_attack),
            "feature_layer": self.feature_layer,
            "predict_from": self.predict_from,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        parts = ("classifier", "strategy", "head", "validation_attack")
        deserialize = keras.saving.deserialize_keras_object
        config = dict(config)
        for part in parts:
            config[part] = deserialize(config[part], custom_objects=custom_objects)
        return cls(config.pop("classifier"), **config)
