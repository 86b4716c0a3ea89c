"""Questions about data, asked before training and evaluation.

Arrays and tensors are looked at whole; of a tf.data pipeline, a `PyDataset` or a
generator the first batch. What comes later is counted in the graph (`violations`) and
named at the end of the epoch.
"""

import types

import keras
import numpy as np
from keras import ops

from keras_mpat import pipelines
from keras_mpat.configurable import check_count, check_not_negative
from keras_mpat.input_checks import check_inputs, check_labels, check_scale
from keras_mpat.objectives import class_ids

_PLAIN = (list, tuple, dict, str, int, float)


def check_data(x, y, model, *, batch_size=None, weights=None, training: bool = True):
    """Raises if data does not fit the model, its strategy or its validation attack.

    Returns:
        x, to be used in its place: a generator that was looked into starts anew.
    """
    if batch_size is not None:
        check_count("batch_size", batch_size, "None is Keras' own choice, 32.")
    x, first = _first_batch(x)
    if first is None:
        _check_arrays(x, y, model, batch_size, weights, training)
        return x
    if not isinstance(first, (tuple, list)) or len(first) < 2:
        raise ValueError(
            "`x` must yield (inputs, labels). Received: batches that are "
            f"{_kind(first)}. Map the data set to (x, y); of "
            "tensorflow-datasets, load it with as_supervised=True."
        )
    _check_batched(*first[:2], model)
    weights = first[2] if len(first) > 2 else None
    _check_arrays(*first[:2], model, len(first[0]), weights, training)
    return x


def _check_batched(x, y, model) -> None:
    """Raises if the stream gives examples one by one."""
    single = len(np.shape(x)) == len(model.example_shape)
    if single and np.shape(y)[:1] != np.shape(x)[:1]:
        raise ValueError(
            "`x` must yield batches of examples. Received: inputs of shape "
            f"{tuple(np.shape(x))}, one at a time. Of a tf.data pipeline pass "
            "data.batch(128)."
        )


def check_validation(data, model):
    """`check_data` for `validation_data`; returns what to use in its place."""
    if data is None:
        return None
    pair = isinstance(data, (tuple, list))
    if (pair and len(data) not in (2, 3)) or (not pair and _array(data) is not None):
        raise ValueError(
            "`validation_data` must be (x, y), (x, y, sample_weight) or a stream of "
            f"such batches. Received: {_kind(data)}. Pass validation_data=(x, y)."
        )
    x, y, weights = (*data, None)[:3] if pair else (data, None, None)
    try:
        x = check_data(x, y, model, weights=weights, training=False)
    except ValueError as error:
        raise ValueError(f"`validation_data`: {error}") from None
    return data if pair else x


def _first_batch(x):
    """(x, its first batch); None in place of the batch of what is no stream."""
    if isinstance(x, keras.utils.PyDataset):
        return x, x[0]
    if not isinstance(x, types.GeneratorType):
        return x, pipelines.first_batch(x)
    for first in x:
        return _resumed(first, x), first
    raise ValueError(
        "`x` must not be empty. Received: a generator of 0 batches. Pass "
        "a fresh one: a generator can be read only once."
    )


def _resumed(first, rest):
    yield first
    yield from rest


def _check_arrays(x, y, model, batch_size, weights, training) -> None:
    if y is None and x is not None and not isinstance(x, _PLAIN) and _array(x) is None:
        return  # a stream that only Keras knows, such as a distributed one
    given = {"x": x, "y": y}
    if weights is not None:
        given["sample_weight"] = weights
    for name, data in given.items():
        if data is None or isinstance(data, _PLAIN):
            raise ValueError(
                f"`{name}` must be an array or a tensor. Received: {name} that is "
                f"{_kind(data)}. Pass np.asarray(...), or a stream of (x, y)."
            )
    x, y, weights = _array(x), _array(y), _array(weights)
    if x is None:  # of a kind that only Keras knows
        return
    for threat_model in threat_models(model) or [None]:
        check_inputs(x, threat_model, model.example_shape)
        check_scale(x, threat_model)
    if training:
        model.strategy.check_batch(min(len(x), batch_size or 32))
    if y is not None:
        check_labels(y, model.num_classes, len(x))
        model.label_form = (y.shape[1:], str(y.dtype))
        check_label_form(y, model.loss)
        if training and model.head is not None:
            model.head.check_labels(np.unique(label_array(y, model.num_classes)))
    if weights is not None:
        check_weights(weights, len(x))


def label_array(y, num_classes: int) -> np.ndarray:
    """Labels (N,) of checked labels (N,), (N, 1) or one-hot (N, C)."""
    return ops.convert_to_numpy(class_ids(y, num_classes))


def _array(data):
    if ops.is_tensor(data):
        return ops.convert_to_numpy(data)
    return data if isinstance(data, np.ndarray) else None


def _kind(data) -> str:
    if isinstance(data, (tuple, list)):
        return f"a {type(data).__name__} of {len(data)}"
    return "None" if data is None else f"a {type(data).__name__}"


def threat_models(model) -> list:
    """Those of the strategy and of the validation attack, as far as there are any."""
    found = [model.strategy.threat_model]
    if model.validation_attack is not None:
        found.append(model.validation_attack.threat_model)
    return [threat_model for threat_model in found if threat_model is not None]


def violations(x, y, model):
    """How many rows of a batch have wrong inputs, and wrong labels: a tensor (2,)."""
    inside = ops.isfinite(x)
    for threat_model in threat_models(model):
        low, high = (np.asarray(bound, "float32") for bound in threat_model.bounds)
        slack = 1e-5 * (high - low)
        inside = ops.logical_and(inside, x >= low - slack)
        inside = ops.logical_and(inside, x <= high + slack)
    inside = ops.all(inside, axis=tuple(range(1, len(x.shape))))
    wrong = [ops.logical_not(rows) for rows in (inside, _known(y, model.num_classes))]
    return ops.stack([ops.sum(ops.cast(rows, "float32")) for rows in wrong])


def with_known_labels(y, num_classes: int):
    """Labels in which an unknown class is 0, so that the epoch can come to its end."""
    known = _known(y, num_classes)
    shape = (-1,) + (1,) * (len(y.shape) - 1)
    return ops.where(ops.reshape(known, shape), y, ops.zeros_like(y))


def _known(y, num_classes: int):
    y = ops.cast(y, "float32")
    if len(y.shape) == 2 and y.shape[-1] == num_classes:
        return ops.abs(ops.sum(y, axis=-1) - 1.0) < 1e-3
    ids = ops.reshape(y, (-1,))
    whole = ids == ops.cast(class_ids(y, num_classes), "float32")
    return ops.logical_and(whole, ops.logical_and(ids >= 0, ids < num_classes))


def check_label_form(y: np.ndarray, loss) -> None:
    """Raises if the loss wants class numbers and gets one-hot labels, or vice versa."""
    one_hot = y.ndim == 2 and y.shape[1] > 1
    wanted = ""
    if one_hot and isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        wanted = "class numbers"
        fix = "y.argmax(-1), or compile CategoricalCrossentropy(from_logits=True)"
    elif not one_hot and _takes_one_hot(loss):
        wanted = "one-hot labels"
        fix = "keras.utils.to_categorical(y), or compile loss=None"
    if wanted:
        raise ValueError(
            f"`y` must hold {wanted} for the compiled {_loss_name(loss)}. "
            f"Received: shape {y.shape}. Pass {fix}."
        )


def _takes_one_hot(loss) -> bool:
    """Whether it is one of Keras' losses that compare y with all C logits."""
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    kind = type(loss) if isinstance(loss, keras.losses.Loss) else loss
    sparse = isinstance(loss, keras.losses.SparseCategoricalCrossentropy)
    return not sparse and getattr(kind, "__module__", "").startswith("keras.")


def _loss_name(loss) -> str:
    if isinstance(loss, str):
        return loss
    return getattr(loss, "__name__", type(loss).__name__)


def check_class_weight(class_weight, num_classes: int, sample_weight=None) -> None:
    """Raises unless it maps classes 0 … C - 1 to finite weights >= 0, and is alone."""
    if class_weight is None:
        return
    if sample_weight is not None:
        raise ValueError(
            "`class_weight` must be None where there is a `sample_weight`. Received: "
            "both. Pass sample_weight * the weights of the classes of y."
        )
    if not isinstance(class_weight, dict):
        raise ValueError(
            "`class_weight` must be a dict from classes to weights. Received: "
            f"{_kind(class_weight)}. Pass class_weight={{0: 1.0, 1: 2.0}}."
        )
    known = range(num_classes)
    unknown = [key for key in class_weight if isinstance(key, str) or key not in known]
    if unknown:
        raise ValueError(
            f"`class_weight` must have the classes 0 … {num_classes - 1} as keys, "
            f"integers. Received: {unknown[0]!r}. A class left out has weight 1."
        )
    for key, value in class_weight.items():
        check_not_negative("class_weight", value, f"of class {key}", "1 is neutral.")


def check_weights(weights: np.ndarray, count: int) -> None:
    """Raises unless there is one finite weight >= 0 for each of `count` inputs."""
    if weights.shape not in ((count,), (count, 1)):
        raise ValueError(
            "`sample_weight` must hold one weight for each input. Received: shape "
            f"{weights.shape} for {count} inputs. Pass shape ({count},)."
        )
    if not (np.all(np.isfinite(weights)) and np.all(weights >= 0)):
        raise ValueError(
            "`sample_weight` must be finite and >= 0. Received: values from "
            f"{weights.min():g} to {weights.max():g}. Leave examples out by weight 0."
        )
