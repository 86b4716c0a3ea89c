"""What a callback has learned during training, as JSON values and arrays.

Keras' callbacks keep their state in attributes (`EarlyStopping.wait`, `.best`). State
is what training has changed. What is named like an argument is no state, though Keras
changes some of those, too (the sign of `min_delta`); so a callback may be made with
other arguments when a run goes on.
"""

import inspect
import sys
from typing import Any

import numpy as np

_NOT_STATE = {"model", "_model", "params", "validation_data"}


class _Unknown(Exception):
    """A value that is not kept: a model, a function."""


def captured(callback) -> dict[str, Any]:
    """Attributes by name that can be kept, with copies of their arrays."""
    found = {}
    arguments = _NOT_STATE | {
        name
        for kind in type(callback).__mro__[:-1]
        for name in inspect.signature(kind.__init__).parameters
    }
    for name, value in vars(callback).items():
        if name in arguments:
            continue
        arrays: list[np.ndarray] = []
        try:
            found[name] = (encoded(value, arrays), arrays)
        except _Unknown:
            continue
    return found


def changed(callback, before: dict[str, Any], arrays: list[np.ndarray]) -> dict:
    """The state of a callback: JSON values by name; their arrays go to the list.

    Args:
        callback: any Keras callback.
        before: what `captured` gave when training began.
        arrays: appended to.
    """
    state = {}
    for name, (value, own) in captured(callback).items():
        if name in before and _same((value, own), before[name]):
            continue
        state[name] = encoded(getattr(callback, name), arrays)
    return state


def restore(callback, state: dict[str, Any], arrays: list[np.ndarray]) -> None:
    """Gives a callback the state that `changed` described."""
    for name, value in state.items():
        setattr(callback, name, decoded(value, arrays, type(callback).__module__))


def encoded(value, arrays: list[np.ndarray]):
    """A value as JSON; arrays become their place in the list.

    Raises:
        _Unknown: something else than numbers, text, arrays and containers of them.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufc":
        arrays.append(np.array(value))
        return {"array": len(arrays) - 1}
    if isinstance(value, list):
        return [encoded(entry, arrays) for entry in value]
    if isinstance(value, tuple):
        entries = [encoded(entry, arrays) for entry in value]
        named = type(value).__name__ if type(value) is not tuple else None
        return {"tuple": entries, "type": named}
    if isinstance(value, dict) and all(isinstance(key, (str, int)) for key in value):
        return {"dict": [[key, encoded(each, arrays)] for key, each in value.items()]}
    raise _Unknown


def decoded(value, arrays: list[np.ndarray], module: str):
    """The value that was encoded.

    Args:
        value: from JSON.
        arrays: by their places.
        module: where the types of named tuples are: that of the callback.
    """
    if isinstance(value, list):
        return [decoded(entry, arrays, module) for entry in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        found = arrays[value["array"]]
        return found[()] if found.ndim == 0 else found.copy()
    if "dict" in value:
        return {key: decoded(each, arrays, module) for key, each in value["dict"]}
    entries = [decoded(entry, arrays, module) for entry in value["tuple"]]
    kind = vars(sys.modules[module]).get(value["type"])
    if isinstance(kind, type) and issubclass(kind, tuple):
        return kind(*entries)
    return tuple(entries)


def _same(new, old) -> bool:
    (value, arrays), (other, others) = new, old
    return value == other and all(
        a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
        for a, b in zip(arrays, others, strict=True)
    )
