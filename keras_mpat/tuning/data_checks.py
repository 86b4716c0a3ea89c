"""What a search is given, checked before the first trial: functions and arrays."""

import hashlib
import pickle
from typing import Any

import numpy as np


def check_function(name: str, value: Any) -> None:
    """Raises unless `value` is a function that another process can be given.

    Raises:
        ValueError: it is none, or it has no name at the top of a module.
    """
    if not callable(value):
        raise ValueError(
            f"`{name}` must be a function. Received: {name}={value!r}. Pass the "
            "function itself, not what it returns."
        )
    try:
        pickle.dumps(value)
    except (pickle.PicklingError, AttributeError, TypeError):
        raise ValueError(
            f"`{name}` must be defined at the top of a module, because each trial "
            f"runs in a process of its own. Received: {name}={name_of(value)}. Move it "
            "out of the function it stands in; a lambda becomes a def."
        ) from None


def checked_train(train: Any) -> Any:
    """Training data: (x, y) as arrays, or a function of seed and epoch."""
    if isinstance(train, (tuple, list)):
        return _pair("train", train)
    check_function("train", train)
    return train


def checked_validation(validation: Any) -> tuple[np.ndarray, np.ndarray]:
    """Validation data (x, y) as arrays."""
    if not isinstance(validation, (tuple, list)):
        raise ValueError(
            "`validation` must be (x, y), arrays. Received: "
            f"{type(validation).__name__}. Hold out a part of the training set."
        )
    return _pair("validation", validation)


def digest_of(data: Any) -> str:
    """A name for data: sha256 of arrays, of a function where it is defined."""
    if callable(data):
        return name_of(data)
    total = hashlib.sha256()
    for array in data:
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def name_of(function: Any) -> str:
    """Where a function is defined."""
    own = getattr(function, "__qualname__", None)
    if own is not None:
        return f"{function.__module__}.{own}"
    kind = type(function)  # an instance that can be called
    return f"{kind.__module__}.{kind.__qualname__}: {function!r}"


def _pair(name: str, data) -> tuple[np.ndarray, np.ndarray]:
    if len(data) != 2:
        raise ValueError(
            f"`{name}` must be (x, y), two arrays. Received: {len(data)} parts. Leave "
            "out what belongs to neither."
        )
    x, y = map(np.asarray, data)
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(
            f"`{name}` must hold as many images as labels, and at least one. Received: "
            f"{len(x)} images, {len(y)} labels. Pass pairs."
        )
    return x, y
