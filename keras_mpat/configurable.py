"""Frozen values with a Keras config: what goes into the constructor comes out again.

Threat models, objectives, target rules, attacks and strategies are plain dataclasses.
This base gives each of them `get_config`, `from_config` and equality, so that a model
that holds them saves to `.keras` and loads in another process.
"""

import dataclasses
from typing import Any

import keras
import numpy as np

from keras_mpat.learned import Learned


class Configurable:
    """Base of all frozen values: a dataclass that Keras can serialize."""

    def get_config(self) -> dict[str, Any]:
        """Returns every field, serialized by Keras; models with their weights."""
        return {
            field.name: _serialize(getattr(self, field.name))
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]):
        """Builds the value from the dict that `get_config` returned."""
        return cls(**{name: _deserialize(value) for name, value in config.items()})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Configurable) or type(self) is not type(other):
            return False
        return _frozen(self.get_config()) == _frozen(other.get_config())

    def __hash__(self) -> int:
        # Equal values may look different: 1 and 1.0, an array and its list.
        return hash(type(self))


def _serialize(value):
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, keras.Layer):
        value = Learned(value)
    return keras.saving.serialize_keras_object(value)


def _deserialize(value):
    return _frozen(keras.saving.deserialize_keras_object(value))


def _frozen(value):
    """Lists as tuples: JSON knows no tuples, and a value is not to be changed."""
    if isinstance(value, dict):
        return {key: _frozen(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(entry) for entry in value)
    return value


def check_positive(name: str, value, unit: str, fix: str) -> None:
    """Raises unless `value` is a positive finite number, or an array of lengths.

    Of an array, entries may be 0 (a fixed feature), but not all of them. Tensors pass:
    they come from a schedule that was checked where it was made.
    """
    if keras.ops.is_tensor(value):
        return
    array = numbers(value)
    positive = np.any(array > 0) and np.all(array >= 0)
    if not positive or not np.all(np.isfinite(array)):
        raise ValueError(
            f"`{name}` must be positive ({unit}). Received: {name}={value!r}. {fix}"
        )


def check_not_negative(name: str, value, unit: str, fix: str) -> None:
    """Raises unless `value` is a finite number >= 0."""
    array = numbers(value)
    if array.ndim or not (array >= 0 and np.isfinite(array)):
        raise ValueError(
            f"`{name}` must be >= 0 ({unit}). Received: {name}={value!r}. {fix}"
        )


def check_between(name: str, value, low: float, high: float, fix: str) -> None:
    """Raises unless `value` is a number from `low` to `high`."""
    array = numbers(value)
    if array.ndim or not low <= array <= high:
        raise ValueError(
            f"`{name}` must lie between {low} and {high} (a factor). Received: "
            f"{name}={value!r}. {fix}"
        )


def check_share(name: str, value, unit: str, fix: str) -> None:
    """Raises unless `value` is a number above 0 and at most 1."""
    array = numbers(value)
    if array.ndim or not 0 < array <= 1:
        raise ValueError(
            f"`{name}` must lie in (0, 1] ({unit}). Received: {name}={value!r}. {fix}"
        )


def numbers(value) -> np.ndarray:
    """`value` as a float64 array; NaN where it is no number: booleans, text, None."""
    try:
        array = np.asarray(value)
        if array.dtype.kind in "fiuO":
            return array.astype("float64")
    except (TypeError, ValueError):  # of lists with gaps, of objects
        pass
    return np.array(np.nan)


def check_count(name: str, value, fix: str, *, minimum: int = 1) -> None:
    """Raises unless `value` is an integer of at least `minimum`."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < minimum:
        raise ValueError(
            f"`{name}` must be an integer >= {minimum}. Received: {name}={value!r}. "
            f"{fix}"
        )


def check_widths(name: str, widths, of: str, fix: str) -> None:
    """Raises unless `widths` is a list of one or more counts >= 1."""
    if not isinstance(widths, (list, tuple)) or not widths:
        raise ValueError(
            f"`{name}` must be widths of {of}. Received: {name}={widths!r}. {fix}"
        )
    for width in widths:
        check_count(name, width, fix)


def check_switch(name: str, value, fix: str = "Leave it out for the default.") -> None:
    """Raises unless `value` is True or False."""
    if not isinstance(value, bool):
        raise ValueError(
            f"`{name}` must be True or False. Received: {name}={value!r}. {fix}"
        )
