"""Questions that are asked before training starts; each error says what to change."""

import keras
import numpy as np

from keras_mpat import backend
from keras_mpat.attacks import Attack
from keras_mpat.layers import Head
from keras_mpat.training import FreeTraining, Strategy

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
    """Shapes of the input (None, ...) and of the output; a subclassed model has none.

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
    shape = (None, *classifier.get_build_config()["input_shape"][1:])
    output = classifier.compute_output_spec(keras.KerasTensor(shape))
    return shape, tuple(output.shape)


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
    resolved = keras.losses.get(loss) if isinstance(loss, str) else loss
    config = resolved.get_config() if isinstance(resolved, keras.losses.Loss) else {}
    by_name = isinstance(loss, str) and loss.endswith("crossentropy")
    if by_name or config.get("from_logits") is False:
        raise ValueError(
            "`loss` must take logits: the classifier ends in logits, and this one "
            f"expects probabilities, so it would train silently wrong. Received: "
            f"loss={loss!r}. Pass loss=None, or "
            "keras.losses.SparseCategoricalCrossentropy(from_logits=True)."
        )


def check_optimizer(optimizer, strategy) -> None:
    """Raises if Free training meets gradient accumulation."""
    if isinstance(optimizer, str) or not isinstance(strategy, FreeTraining):
        return
    if optimizer.gradient_accumulation_steps:
        raise ValueError(
            "FreeTraining needs the input gradient of each replay, which gradient "
            "accumulation merges. Received: gradient_accumulation_steps="
            f"{optimizer.gradient_accumulation_steps}. Remove it or use PGDTraining."
        )


def check_data(x, y, model, *, training: bool = True) -> None:
    """Checks arrays whole, and of a tf.data pipeline the first batch."""
    first = backend.first_batch(x)
    if first is not None:
        if len(first) < 2:
            raise ValueError(
                "`x` must yield (inputs, labels). Received: batches of one element. "
                "Map the data set to (x, y)."
            )
        x, y = first[:2]
        if training:
            model.strategy.check_batch(x)
    if not isinstance(x, np.ndarray):
        return
    check_inputs(x, model.strategy.threat_model)
    if model.validation_attack is not None:
        check_inputs(x, model.validation_attack.threat_model)
    if isinstance(y, np.ndarray):
        check_labels(y, model.num_classes)
        check_label_form(y, model.loss)


def check_inputs(x: np.ndarray, threat_model) -> None:
    """Raises unless x is float, finite and inside the bounds of the threat model."""
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(
            f"`x` must be a float array. Received: dtype {x.dtype}. For images in "
            "0-255 pass x.astype('float32') / 255, or datasets.from_arrays(x, y)."
        )
    if not np.all(np.isfinite(x)):
        raise ValueError("`x` must be finite. Received: NaN or infinity. Clean it.")
    if threat_model is None:
        return
    low, high = (np.asarray(bound, "float64") for bound in threat_model.bounds)
    slack = 1e-5 * (high - low)
    if np.any(x < low - slack) or np.any(x > high + slack):
        raise ValueError(
            f"`x` must lie in the threat model's bounds {threat_model.bounds}. "
            f"Received: values from {x.min():g} to {x.max():g}. Rescale the inputs, "
            "or pass their range: Linf(..., bounds=(lowest, highest))."
        )


def check_label_form(y: np.ndarray, loss) -> None:
    """Raises if the loss wants class numbers and gets one-hot labels, or vice versa."""
    one_hot = y.ndim == 2 and y.shape[1] > 1
    wanted = ""
    if one_hot and isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        wanted = "class numbers"
        fix = "y.argmax(-1), or compile CategoricalCrossentropy(from_logits=True)"
    if not one_hot and isinstance(loss, keras.losses.CategoricalCrossentropy):
        wanted, fix = "one-hot labels", "one-hot labels, or compile loss=None"
    if wanted:
        raise ValueError(
            f"`y` must hold {wanted} for the compiled {type(loss).__name__}. "
            f"Received: shape {y.shape}. Pass {fix}."
        )


def check_labels(y: np.ndarray, num_classes: int) -> None:
    """Raises unless y is (N,), (N, 1) or one-hot (N, C) with classes 0 … C - 1."""
    if y.ndim == 2 and y.shape[1] == num_classes and num_classes > 1:
        return
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] != 1):
        raise ValueError(
            f"`y` must be labels (N,), (N, 1) or one-hot (N, {num_classes}). "
            f"Received: shape {y.shape}."
        )
    if y.size and (y.min() < 0 or y.max() >= num_classes or np.any(y != np.floor(y))):
        raise ValueError(
            f"`y` must hold the classes 0 … {num_classes - 1}. Received: values from "
            f"{y.min()} to {y.max()}. Map the labels, or give the classifier more "
            "outputs."
        )
