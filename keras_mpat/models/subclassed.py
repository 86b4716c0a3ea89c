"""Classifiers that are subclasses of `keras.Model`, whose graph nobody can read.

They are used as they are. One that is to have a head shows its embedding by two
methods, which `call` is made of, so that one forward pass gives both outputs:

    class Net(keras.Model):
        def features(self, x, training=False):  # images (B, ...) -> embedding (B, D)
            return self.body(x, training=training)

        def classify(self, embedding):  # (B, D) -> logits (B, C)
            return self.last(embedding)

        def call(self, x, training=False):
            return self.classify(self.features(x, training=training))
"""

import inspect

import keras
import numpy as np
from keras import ops

from keras_mpat.input_checks import are_probabilities
from keras_mpat.models import _graph as graph

_METHODS = ("features", "classify")
_FORM = (
    "Give it features(x, training=False) -> embedding (B, D) and classify(embedding) "
    "-> logits (B, C), with call = classify(features(x))"
)
_UNKNOWN_SIZE = 32  # pixels of a probe where the input shape leaves the size open


def shapes(classifier) -> tuple[tuple, tuple]:
    """Shapes of the input (None, ...) and of the output of a subclassed classifier.

    Raises:
        ValueError: several inputs or outputs.
    """
    built = classifier.get_build_config() or {}
    shape = built.get("input_shape")
    if not isinstance(shape, (tuple, list)):
        raise ValueError(
            "`classifier` must have one input, a tensor. Received: "
            f"{type(classifier).__name__}, built for {built}. Give it a call(x) of one "
            "tensor, and call it once."
        )
    shape = (None, *shape[1:])
    try:
        output = classifier.compute_output_spec(keras.KerasTensor(shape))
    except TypeError as error:  # the call of a model with several inputs
        raise ValueError(
            f"`classifier` must have one input, a tensor {shape}. Received: "
            f"{type(classifier).__name__}: {str(error).splitlines()[-1]}. Give it a "
            "call(x) of one tensor."
        ) from error
    if not isinstance(output, keras.KerasTensor):
        raise ValueError(
            "`classifier` must return one tensor, its logits. Received: "
            f"{type(classifier).__name__}, which returns a {type(output).__name__}. "
            f"{_FORM}."
        )
    return shape, tuple(output.shape)


def check_logits(classifier) -> None:
    """Raises if a classifier returns probabilities on a probe of two inputs."""
    rows = classifier(_probe(classifier), training=False)
    if are_probabilities(ops.convert_to_numpy(ops.cast(rows, "float32"))):
        raise ValueError(
            "`classifier` must return logits. Received: "
            f"{type(classifier).__name__}, whose rows are probabilities; it would "
            "train silently wrong. Leave its softmax out."
        )


def feature_model(classifier):
    """A subclassed classifier with its embedding as second output, in one pass.

    Args:
        classifier: built subclassed model with `features` and `classify` methods, see
            above. `features` may leave `training` to Keras.

    Returns:
        Functional model, images -> [logits (B, C), embedding (B, D)], on the
        classifier's own layers.

    Raises:
        ValueError: a method is missing, gives another shape, or `call` is something
            else than `classify(features(x))`.
    """
    kind = type(classifier).__name__
    missing = [name for name in _METHODS if getattr(classifier, name, None) is None]
    if missing:
        raise ValueError(
            "`classifier` must show where its embedding is. Received: subclassed "
            f"{kind} without {' and '.join(missing)}. {_FORM}, or do without "
            "a head and regularizer='features'."
        )
    image = keras.Input(shapes(classifier)[0][1:])
    logits, embedding = _Both(classifier)(image)
    if len(embedding.shape) != 2 or embedding.shape[-1] is None:
        raise ValueError(
            "`classifier.features` must return embeddings of known size (B, D). "
            f"Received: {kind}, shape={tuple(embedding.shape)}. Pool or flatten them "
            "there."
        )
    both = keras.Model(image, [logits, embedding], name=classifier.name)
    probe = _probe(classifier)
    expected, got = (
        ops.convert_to_numpy(ops.cast(scores, "float32"))
        for scores in (classifier(probe, training=False), both(probe)[0])
    )
    if expected.shape != got.shape or not np.allclose(expected, got, 1e-2, 1e-2):
        raise ValueError(
            "`classifier.call` must be classify(features(x)), so that one forward pass "
            f"serves predictions and head. Received: {kind}, whose call gives other "
            "logits. Let call use both methods."
        )
    return both


@keras.saving.register_keras_serializable("keras_mpat")
class _Both(keras.Layer):
    """One forward pass of a subclassed classifier: logits and embedding."""

    def __init__(self, classifier, **kwargs):
        # The classifier's own policy, so that inputs are cast as it would cast them.
        super().__init__(**{"dtype": classifier.dtype_policy, **kwargs})
        self.classifier = classifier
        self.takes_training = _takes_training(classifier.features)
        self.built = True

    def call(self, x, training=False):
        kwargs = {"training": training} if self.takes_training else {}
        embedding = self.classifier.features(x, **kwargs)
        return self.classifier.classify(embedding), embedding

    def get_config(self):
        classifier = keras.saving.serialize_keras_object(self.classifier)
        return {**super().get_config(), "classifier": classifier}

    @classmethod
    def from_config(cls, config):
        deserialize = keras.saving.deserialize_keras_object
        return cls(**{**config, "classifier": deserialize(config["classifier"])})


def _takes_training(function) -> bool:
    parameters = inspect.signature(function).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    return "training" in parameters or inspect.Parameter.VAR_KEYWORD in kinds


def _probe(classifier):
    if graph.is_readable(classifier):
        shape = classifier.inputs[0].shape[1:]
    else:
        shape = classifier.get_build_config()["input_shape"][1:]
    sizes = [_UNKNOWN_SIZE if size is None else size for size in shape]
    return np.random.default_rng(0).random((2, *sizes), dtype="float32")
