"""What makes a training go on, beside its weights: metrics, and other callbacks."""

import itertools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.callbacks import callback_state


def captured(
    model, callbacks: Sequence, before: Sequence[dict]
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """JSON values and arrays of a model and of callbacks.

    Args:
        model: within `fit`.
        callbacks: those that remember.
        before: what `callback_state.captured` gave of each when training began.
    """
    arrays: list[np.ndarray] = []
    states = [
        callback_state.changed(callback, its_before, arrays)
        for callback, its_before in zip(callbacks, before, strict=True)
    ]
    metrics = [backend.value(v) for v in model.metrics_variables]
    content = {
        "stopped": bool(model.stop_training),
        "weights": _shapes(model),
        "callbacks": states,
        "metrics": len(metrics),  # the last of the arrays
    }
    return content, arrays + metrics


def check(model, callbacks: Sequence, found: dict[str, Any], folder) -> None:
    """Refuses a state that is not of this model and these callbacks.

    Raises:
        ValueError: it is not.
    """
    own = _shapes(model)
    if found["weights"] != own:
        pairs = itertools.zip_longest(found["weights"], own)
        old, new = next(pair for pair in pairs if pair[0] != pair[1])
        raise ValueError(
            "`folder` must hold states of this model. Received: "
            f"folder={os.fspath(folder)!r}, with a weight {old} where the "
            f"model has {new}. Build it as before, or pass another folder."
        )
    if len(found["callbacks"]) != len(callbacks):
        raise ValueError(
            "`of` must name the callbacks of before. Received: "
            f"{len(callbacks)} callbacks where the state has "
            f"{len(found['callbacks'])}. Pass the same, or another folder."
        )


def restore(
    model, callbacks: Sequence, found: dict[str, Any], arrays: list[np.ndarray]
) -> bool:
    """Gives metrics and callbacks what `captured` has described.

    Returns:
        Whether the model has the same metrics; if not, they stay as they are.
    """
    for callback, state in zip(callbacks, found["callbacks"], strict=True):
        callback_state.restore(callback, state, arrays)
    values = arrays[len(arrays) - found["metrics"] :]
    if len(model.metrics_variables) < len(values):
        _build_metrics(model)
    variables = model.metrics_variables
    if [v.shape for v in variables] != [value.shape for value in values]:
        return False
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return True


def not_finite(model) -> list[str]:
    """Paths of the weights that are no numbers."""
    return [
        weight.path
        for weight in model.weights
        if "float" in str(weight.dtype)
        and not bool(ops.all(ops.isfinite(weight.value)))
    ]


def _build_metrics(model) -> None:
    # Those of `compile`, which Keras makes when it sees the first batch.
    labels, logits = ops.zeros((1,), "int32"), ops.zeros((1, model.num_classes))
    model.compute_metrics(None, labels, logits, None)


def _shapes(model) -> list[list]:
    # Paths count up where a process builds several models; order and names do not.
    return [[weight.name, list(weight.shape)] for weight in model.weights]
