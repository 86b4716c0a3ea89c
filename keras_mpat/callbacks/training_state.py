"""What makes a training go on, beside its weights: metrics, and other callbacks."""

import itertools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.callbacks import callback_state


def given(model) -> dict[str, Any]:
    """What training begins with and a later `fit` may change: JSON values."""
    optimizer, strategy = _inner(model), repr(getattr(model, "strategy", None))
    return {
        "optimizer": type(optimizer).__name__,
        "learning_rate": _rate(model),
        "strategy": None if " at 0x" in strategy else strategy,
    }


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
        "of": [type(callback).__name__ for callback in callbacks],
        "slots": len(model.optimizer.variables),
        "metrics": len(metrics),  # the last of the arrays
    }
    return content, arrays + metrics


def check(model, callbacks: Sequence, found: dict[str, Any], folder) -> None:
    """Refuses a state that is not of this model and these callbacks.

    Raises:
        ValueError: it is not.
    """
    if "given" not in found:
        raise ValueError(
            "`folder` must hold states of this version. Received: folder="
            f"{os.fspath(folder)!r}, kept by an earlier one. Pass another folder."
        )
    own = _shapes(model)
    if found["weights"] != own:
        pairs = itertools.zip_longest(found["weights"], own)
        old, new = next(pair for pair in pairs if pair[0] != pair[1])
        raise ValueError(
            "`folder` must hold states of this model. Received: "
            f"folder={os.fspath(folder)!r}, with a weight {old} where the "
            f"model has {new}. Build it as before, or pass another folder."
        )
    names = [type(callback).__name__ for callback in callbacks]
    if found["of"] != names:
        raise ValueError(
            "`of` must name the callbacks of before, in their order. Received: "
            f"[{', '.join(names)}] where the state has [{', '.join(found['of'])}]. "
            "Pass the same, or another folder."
        )
    build_optimizer(model)
    old, slots = found["given"]["optimizer"], len(model.optimizer.variables)
    if (old, found["slots"]) != (type(_inner(model)).__name__, slots):
        raise ValueError(
            "`optimizer` must be that of before. Received: "
            f"{type(_inner(model)).__name__} with {slots} variables where the state "
            f"has {old} with {found['slots']}. Compile the model as before, or pass "
            "another folder."
        )


def settle(model, now: dict[str, Any], begun: dict[str, Any]) -> list[str]:
    """Has a restored model go on with what it is given now.

    Args:
        model: restored.
        now: `given` of this `fit`; its learning rate becomes the begun one unless it is
            a new one: neither the begun nor the kept one, and no schedule.
        begun: `given` of the kept training.

    Returns:
        In words, what has changed.
    """
    told = []
    if now["learning_rate"] in (None, begun["learning_rate"], _rate(model)):
        now["learning_rate"] = begun["learning_rate"]  # callbacks may have moved it
    else:
        _inner(model).learning_rate = now["learning_rate"]
        told.append("learning_rate")
    told += ["strategy"] if now["strategy"] != begun["strategy"] else []
    return [f"{name}={now[name]} in place of {begun[name]}" for name in told]


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
    labels, logits = model.one_label(), ops.zeros((1, model.num_classes))
    model.compute_metrics(None, ops.convert_to_tensor(labels), logits, None)


def build_optimizer(model) -> None:
    """Makes the variables of the optimizer; once, for one that scales losses counts."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _inner(model):
    # Not the one that scales losses around it.
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def _rate(model) -> float | None:
    """The learning rate; None of a schedule, which is no weight: a new one counts."""
    rate = _inner(model).get_config().get("learning_rate")
    return rate if isinstance(rate, float) else None


def _shapes(model) -> list[list]:
    # Paths count up where a process builds several models; order and names do not.
    return [[weight.name, list(weight.shape)] for weight in model.weights]
