"""Questions that are asked before training starts; each error says what to change."""

import keras

from keras_mpat.attacks import Attack
from keras_mpat.layers import Head
from keras_mpat.models import subclassed
from keras_mpat.training import Strategy

_KINDS = {"strategy": Strategy, "head": Head, "validation_attack": Attack}


def check_classifier(classifier) -> None:
    """Raises unless `classifier` is a built Keras model with one input and output."""
    if not isinstance(classifier, keras.Model):
        raise ValueError(
            "`classifier` must be a keras.Model that ends in logits. Received: "
            f"{type(classifier).__name__}. Build one, e.g. models.lenet(10)."
        )
    if not classifier.built:
        raise ValueError(
            f"`classifier` {classifier.name!r} is not built, so its input shape is "
            "unknown. Add keras.Input(shape=...) as its first layer, or call it once."
        )


def check_arguments(arguments: dict) -> None:
    """Raises if an argument of `AdversarialModel` has the wrong kind or range."""
    for name, kind in _KINDS.items():
        value = arguments[name]
        if value is None and name != "strategy":
            continue
        if not isinstance(value, kind):
            raise ValueError(
                f"`{name}` must be a keras_mpat {kind.__name__} instance. "
                f"Received: {name}={value!r}. Pass an instance, not a class or a name."
            )
    for name in ("head_weight", "regularizer_weight"):
        if not arguments[name] >= 0:
            raise ValueError(
                f"`{name}` must be >= 0. Received: {name}={arguments[name]!r}. "
                "0 switches the term off."
            )
    seed = arguments["seed"]
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(
            f"`seed` must be an integer >= 0. Received: seed={seed!r}. Pass seed=0."
        )
    unused = arguments["head"] is None and arguments["regularizer"] != "features"
    if unused and arguments["feature_layer"] is not None:
        raise ValueError(
            "`feature_layer` has no effect without a head or regularizer='features'. "
            f"Received: feature_layer={arguments['feature_layer']!r}. Remove it."
        )
    if arguments["regularizer"] not in ("weights", "features", None):
        raise ValueError(
            "`regularizer` must be 'weights', 'features' or None. Received: "
            f"regularizer={arguments['regularizer']!r}."
        )
    if arguments["regularizer"] is None and arguments["regularizer_weight"] > 0:
        raise ValueError(
            "`regularizer_weight` has no effect without `regularizer`. Received: "
            f"regularizer_weight={arguments['regularizer_weight']}, regularizer=None. "
            "Pass regularizer='weights' or 'features'."
        )


def shapes(classifier) -> tuple[tuple, tuple]:
    """Shapes of the input (None, ...) and of the output (None, C).

    Raises:
        ValueError: several inputs or outputs.
    """
    if isinstance(classifier, keras.Function | keras.Sequential):
        counts = len(classifier.inputs), len(classifier.outputs)
        if counts != (1, 1):
            raise ValueError(
                "`classifier` must have one input and one output. Received: "
                f"{counts[0]} inputs and {counts[1]} outputs, "
                f"name={classifier.name!r}. Pass keras.Model(image, logits)."
            )
        return tuple(classifier.input_shape), tuple(classifier.output_shape)
    return subclassed.shapes(classifier)


def check_outputs(classifier, head) -> int:
    """The number of classes; raises if the outputs or the head do not fit it."""
    _, shape = shapes(classifier)
    if len(shape) != 2 or shape[-1] is None or shape[-1] < 2:
        raise ValueError(
            "`classifier` must have one output of C >= 2 logits, shape (B, C). "
            f"Received: output_shape={shape}. For two classes use Dense(2)."
        )
    if head is not None and head.num_classes != shape[-1]:
        raise ValueError(
            f"`head` must have the classifier's {shape[-1]} classes. Received: "
            f"num_classes={head.num_classes}. Pass SoftTripleHead({shape[-1]})."
        )
    return int(shape[-1])


def check_loss(loss) -> None:
    """Raises if a cross-entropy would treat the logits as probabilities."""
    for part in keras.tree.flatten(loss):
        name = part if isinstance(part, str) else getattr(part, "__name__", "")
        config = part.get_config() if isinstance(part, keras.losses.Loss) else {}
        if name.endswith("crossentropy") or config.get("from_logits") is False:
            raise ValueError(
                "`loss` must take logits: the classifier ends in logits, and this one "
                "expects probabilities, so it would train silently wrong. Received: "
                f"loss={loss!r}. Pass loss=None, or "
                "keras.losses.SparseCategoricalCrossentropy(from_logits=True)."
            )
