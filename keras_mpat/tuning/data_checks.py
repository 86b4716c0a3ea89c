"""What a search is given, checked before the first trial: functions and arrays."""

import hashlib
import pickle
from typing import Any

import numpy as np

from keras_mpat.datasets.passes import to_unit
from keras_mpat.datasets.pipeline import converted


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


def checked_train(train: Any, bounds: tuple[float, float]) -> Any:
    """Training data: (x, y) as arrays, or a function of seed and epoch."""
    if isinstance(train, (tuple, list)):
        pair = _pair("train", train)
        _converted("train", pair, bounds)
        return pair
    if not callable(train):
        raise ValueError(
            "`train` must be (x, y), arrays, or a function of the keywords seed and "
            f"epoch. Received: {type(train).__name__}. Pass arrays, or a function at "
            "the top of a module that makes what fit reads."
        )
    check_function("train", train)
    return train


def checked_validation(
    validation: Any, bounds: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Validation data: x, float32 within `bounds`, and y, int32, of several classes."""
    if not isinstance(validation, (tuple, list)):
        raise ValueError(
            "`validation` must be (x, y), arrays. Received: "
            f"{type(validation).__name__}. Hold out a part of the training set."
        )
    x, y = _converted("validation", _pair("validation", validation), bounds)
    if y.min() == y.max():
        raise ValueError(
            "`validation` must hold images of several classes. Received: "
            f"{len(y)} images, all of class {y[0]}. Draw them from all classes."
        )
    return to_unit(x), y


def check_classes(classes: int, *pairs: tuple[np.ndarray, np.ndarray]) -> None:
    """Raises unless a classifier has a logit for each label.

    Args:
        classes: C, its logits.
        *pairs: (x, y), checked.
    """
    largest = max(int(y.max()) for _, y in pairs)
    if classes < 2 or largest >= classes:
        raise ValueError(
            "`build_classifier` must return a classifier with a logit for each of two "
            f"or more classes. Received: {classes} logits, labels up to {largest}. "
            f"End it in Dense({max(2, largest + 1)})."
        )


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


def _converted(name: str, pair, bounds) -> tuple[np.ndarray, np.ndarray]:
    try:
        return converted(*pair, bounds)
    except ValueError as error:
        raise ValueError(f"`{name}` must hold what can be attacked: {error}") from None


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
