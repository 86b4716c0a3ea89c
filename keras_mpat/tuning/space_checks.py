"""Entries of a search space: read from text, JSON or Python, checked one by one."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from keras_mpat.choices import check_choice
from keras_mpat.tuning.dimensions import DIMENSIONS, HEADS, STRATEGIES, Range

_NAMES = {
    "strategy": STRATEGIES,
    "head": HEADS,
    "regularizer": ("weights", "features", "none"),
}


def checked_name(name: str) -> None:
    """Raises unless `name` is that of a hyper-parameter."""
    check_choice("space", name, DIMENSIONS)


def check_entry(name: str, entry: Any) -> Any:
    """The entry as a `Range`, a list or one value.

    Args:
        name: of the hyper-parameter.
        entry: a `Range`, its dict, a list or tuple, or one value.

    Raises:
        ValueError: it is empty, repeats itself, or has a value out of range.
    """
    if isinstance(entry, Mapping):
        entry = _range(name, entry)
    if isinstance(entry, Range):
        return _checked_range(name, entry)
    if isinstance(entry, (list, tuple)):
        if not entry:
            raise ValueError(
                f"`{name}` must hold at least one value. Received: an empty list. "
                f"Leave it out, or pass for example {DIMENSIONS[name].usual}."
            )
        values = [_checked(name, value) for value in entry]
        if len(set(values)) < len(values):
            raise ValueError(
                f"`{name}` must hold each value once. Received: {values}. Remove what "
                "stands there twice."
            )
        if any(isinstance(value, str) for value in values):  # keras-tuner: one type
            values = [str(value) for value in values]
        return values if len(values) > 1 else values[0]
    return _checked(name, entry)


def parse(name: str, text: str) -> Any:
    """An entry from the command line.

    Args:
        name: of the hyper-parameter.
        text: one value, values with commas ("0.1,0.5"), or a range with colons:
            "0.1:2", "0.1:2:log", "1:10:per_class".

    Raises:
        ValueError: it is none of these.
    """
    checked_name(name)
    kind = DIMENSIONS[name].kind
    if ":" in text and kind is not str:
        low, high, *options = text.split(":")
        per_class = "per_class" in options
        sampling = [option for option in options if option != "per_class"] or ["linear"]
        if len(sampling) > 1:
            raise ValueError(_unreadable(name, text))
        ends = [_number(name, end) for end in (low, high)]
        return check_entry(name, Range(*ends, sampling[0], per_class))
    parts = [part.strip() for part in text.split(",")]
    if kind is not str:
        counts = name == "prototypes_per_class"  # "3/4" is one number per class
        parts = [p if counts and "/" in p else _number(name, p) for p in parts]
    return check_entry(name, parts)


def prototype_counts(value: Any) -> Any:
    """Prototypes per class as a head takes them: "3/4" becomes [3, 4], "5" 5."""
    if not isinstance(value, str):
        return value
    counts = [int(part) for part in value.split("/")]
    return counts if len(counts) > 1 else counts[0]


def _range(name: str, entry: Mapping[str, Any]) -> Range:
    known = {"low", "high", "sampling", "per_class"}
    if not {"low", "high"} <= entry.keys() <= known:
        raise ValueError(
            f"`{name}` must be a range with low, high and maybe sampling, per_class. "
            f'Received: {dict(entry)}. Example: {{"low": 0.1, "high": 2, "sampling": '
            '"log"}.'
        )
    return Range(**entry)


def _checked_range(name: str, entry: Range) -> Range:
    kind = DIMENSIONS[name].kind
    if kind is str:
        raise ValueError(
            f"`{name}` must be a list of names. Received: {entry}. Choose from: "
            f"{', '.join(_NAMES[name])}."
        )
    if entry.per_class and name != "prototypes_per_class":
        raise ValueError(
            f"`{name}` must be one number for all classes. Received: {entry}. Remove "
            "per_class."
        )
    low, high = _checked(name, entry.low), _checked(name, entry.high)
    return Range(low, high, entry.sampling, entry.per_class)


def _checked(name: str, value: Any) -> Any:
    """One value, as its kind."""
    dimension = DIMENSIONS[name]
    if dimension.kind is str:
        check_choice(name, value, _NAMES[name])
        return value
    if name == "prototypes_per_class" and isinstance(value, str):
        parts = value.split("/")
        if all(part.isdecimal() and int(part) for part in parts):
            return value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        low = value > dimension.minimum or not dimension.above
        whole = dimension.kind is float or float(value).is_integer()
        if low and whole and math.isfinite(value) and value >= dimension.minimum:
            return dimension.kind(value)
    sign = ">" if dimension.above else ">="
    number = "a whole number" if dimension.kind is int else "a number"
    raise ValueError(
        f"`{name}` must be {number} {sign} {dimension.minimum:g} "
        f"({dimension.meaning}). Received: {value!r}. The usual range is "
        f"{_in_words(dimension.usual)}."
    )


def _in_words(usual: Range) -> str:
    return f"{usual.low:g} to {usual.high:g}"


def _number(name: str, text: str) -> float | int:
    try:
        if "/" in text:
            return float(Fraction(text.strip()))
        return int(text) if text.strip().lstrip("+-").isdecimal() else float(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(_unreadable(name, text)) from None


def _unreadable(name: str, text: str) -> str:
    usual = DIMENSIONS[name].usual
    return (
        f"`{name}` must be a number, numbers with commas, or a range low:high[:log]. "
        f"Received: {text!r}. Example: --{name}={usual.low:g}:{usual.high:g}."
    )
