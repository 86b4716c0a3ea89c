"""From fine labels (hidden modes) to the classes that are trained on."""

import operator
from collections.abc import Callable, Sequence

import numpy as np

LabelMap = Callable[[int], int] | Sequence[int]


def label_table(label_map: LabelMap | None, num_modes: int) -> np.ndarray:
    """The class of each fine label, as an int32 array (num_modes,).

    Args:
        label_map: A function of one fine label, a sequence with one class per fine
            label, or None for the identity. Classes must be 0 ... C - 1 without a
            gap, C >= 2: a classifier has one logit for each.
        num_modes: Number of fine labels.

    Raises:
        ValueError: If the map has the wrong length, values that are no integers,
            a gap, or a single class.
    """
    if label_map is None:
        return np.arange(num_modes, dtype="int32")
    if callable(label_map):
        values = [label_map(mode) for mode in range(num_modes)]
    else:
        values = list(label_map)
    if len(values) != num_modes:
        raise _refusal(values, f"one class for each of the {num_modes} fine labels")
    try:
        table = [operator.index(value) for value in values]
    except TypeError as error:
        raise _refusal(values, "integer class ids") from error
    classes = sorted(set(table))
    if len(classes) < 2 or classes != list(range(len(classes))):
        raise _refusal(table, "classes 0 ... C - 1 without a gap, two at least")
    return np.array(table, dtype="int32")


def _refusal(values: list, expected: str) -> ValueError:
    return ValueError(
        f"`label_map` must give {expected}. Received: label_map with values {values}. "
        "For two classes of five digits each pass label_map=lambda y: y // 5."
    )
