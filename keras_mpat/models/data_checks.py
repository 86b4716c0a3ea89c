"""Questions about data, asked before training and evaluation.

Arrays and tensors are looked at whole, of a tf.data pipeline or a `PyDataset` the first
batch; what comes later is counted in the graph and named at the end of the epoch.
"""

import keras
import numpy as np
from keras import ops

from keras_mpat import backend


def check_data(x, y, model, *, batch_size=None, training: bool = True) -> None:
    """Raises if data does not fit the model, its strategy or its validation attack."""
    first = backend.first_batch(x)
    if first is None and isinstance(x, keras.utils.PyDataset):
        first = x[0]
    if first is not None:
        if not isinstance(first, (tuple, list)) or len(first) < 2:
            raise ValueError(
                "`x` must yield (inputs, labels). Received: batches that are "
                f"{type(first).__name__}. Map the data set to (x, y); of "
                "tensorflow-datasets, load it with as_supervised=True."
            )
        x, y = first[:2]
        batch_size = len(x)
    x, y = _array(x), _array(y)
    if x is None:
        return
    if training:
        model.strategy.check_batch(min(len(x), batch_size or 32))
    check_inputs(x, model.strategy.threat_model)
    if model.validation_attack is not None:
        check_inputs(x, model.validation_attack.threat_model)
    if y is not None:
        check_labels(y, model.num_classes)
        check_label_form(y, model.loss)


def _array(data):
    if ops.is_tensor(data):
        return ops.convert_to_numpy(data)
    return data if isinstance(data, np.ndarray) else None


def violations(x, threat_model):
    """How many rows of a batch are not finite or leave the bounds: a scalar tensor."""
    low, high = (np.asarray(bound, "float32") for bound in threat_model.bounds)
    slack = 1e-5 * (high - low)
    inside = ops.logical_and(x >= low - slack, x <= high + slack)  # NaN is not inside
    rows = ops.any(ops.logical_not(inside), axis=tuple(range(1, len(x.shape))))
    return ops.sum(ops.cast(rows, "float32"))


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
            f"or pass their range: Linf(..., bounds={_range_of(x)})."
        )


def _range_of(x) -> str:
    """The usual range of images that holds x, as it is written."""
    for low, high in ((-1, 1), (0, 255)):
        if low <= x.min() and x.max() <= high:
            return f"({low}, {high})"
    return "(lowest, highest)"


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
