"""Checks of images, labels and counts: wrong input stops here, with the fix."""

import numbers
import operator
from typing import Any

import numpy as np


def integer(name: str, value: Any, *, minimum: int, bits: int | None = None) -> int:
    """`value` as an int, of so many `bits`, or an error that names the argument."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if (
        number is None
        or isinstance(value, bool)
        or number < minimum
        or (bits is not None and number >> bits)
    ):
        limit = "" if bits is None else f" and < 2**{bits}"
        raise ValueError(
            f"`{name}` must be an integer >= {minimum}{limit}. Received: "
            f"{name}={value!r}. Pass for example {name}={max(minimum, 1)}."
        )
    return number


def within(name: str, value: Any, unit: str, low: float, high: float) -> float:
    """`value` as a float from `low` to `high`, or an error that names the argument."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise ValueError(
            f"`{name}` must be a number from {low} to {high} ({unit}). Received: "
            f"{name}={value!r}. Pass {name}={low} for none."
        )
    return float(value)


def seed(value: Any) -> int:
    """`value` as a seed: half of the key of every random number."""
    return integer("seed", value, minimum=0, bits=64)


def epoch(value: Any) -> int:
    """`value` as the number of an epoch, which shares the other half of the key."""
    return integer("epoch", value, minimum=0, bits=48)


def pair(bounds: Any) -> tuple[float, float]:
    """`bounds` as two floats (low, high), low < high."""
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError):
        low = high = np.nan
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(
            "`bounds` must be two finite numbers (low, high), low < high (pixel "
            f"values). Received: bounds={bounds}. Pass (0.0, 1.0) or (0.0, 255.0)."
        )
    return low, high


def images(x: Any, bounds: tuple[float, float]) -> np.ndarray:
    """`x` as uint8 (to be scaled) or as float32 within `bounds`, with channels.

    Grayscale images (N, H, W) get a channel axis.

    Raises:
        ValueError: If `x` is empty, a single vector, of another dtype, not finite,
            or out of `bounds`.
    """
    x = np.asarray(x)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(
            "`x` must hold at least one image, as (N, H, W, C_in) or (N, H, W). "
            f"Received: x of shape {x.shape}. For a single image pass image[None]."
        )
    x = x[..., None] if x.ndim == 3 else x
    if x.dtype == np.uint8:
        return _graylevels(x)
    if x.dtype.kind != "f":
        raise ValueError(
            "`x` must be uint8 (0 to 255) or floats within `bounds`. Received: x of "
            f"dtype {x.dtype}. Pass x.astype('uint8') for gray levels 0 to 255, or "
            "x.astype('float32') for values within `bounds`."
        )
    low, high = float(x.min()), float(x.max())
    if not np.isfinite([low, high]).all():
        raise ValueError(
            "`x` must be finite. Received: x with "
            f"{np.count_nonzero(~np.isfinite(x))} values that are NaN or infinite. "
            "Drop or repair those images."
        )
    if low < bounds[0] or high > bounds[1]:
        raise ValueError(
            f"`x` must lie within bounds={bounds}. Received: x of dtype {x.dtype} "
            f"with values from {low:g} to {high:g}. {_range_fix(low, high)}"
        )
    return x.astype("float32", copy=False)


def labels(y: Any, count: int) -> np.ndarray:
    """`y` as int32 (N,); (N, 1) loses its last axis.

    Raises:
        ValueError: If `y` is one-hot, not of integers, negative, or not one label
            per image.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(
            "`y` must be class ids of shape (N,) or (N, 1). Received: y of shape "
            f"{y.shape}. For one-hot labels pass np.argmax(y, axis=-1)."
        )
    if len(y) != count:
        raise ValueError(
            "`y` must hold one label for each image of `x`. Received: "
            f"{len(y)} labels for {count} images. Pass arrays of equal length."
        )
    if y.dtype.kind not in "iu":
        raise ValueError(
            f"`y` must be integer class ids. Received: y of dtype {y.dtype}. "
            "Pass y.astype('int32')."
        )
    if y.min() < 0:
        raise ValueError(
            "`y` must be class ids >= 0. Received: y with smallest label "
            f"{y.min()}. Number the classes from 0; for labels -1 and 1 pass "
            "(y + 1) // 2."
        )
    return y.astype("int32")


def group_counts(y: np.ndarray, classes: int | None, examples: int) -> int:
    """Classes per balanced batch, if there are as many and each has `examples`.

    Raises:
        ValueError: If there are fewer classes, or fewer examples of one of them.
    """
    found, sizes = np.unique(y, return_counts=True)
    classes = len(found) if classes is None else classes
    classes = integer("classes_per_batch", classes, minimum=1)
    if classes > len(found):
        raise ValueError(
            f"`classes_per_batch` must be at most the {len(found)} classes in `y`. "
            f"Received: classes_per_batch={classes}. Pass None for all of them."
        )
    if sizes.min() < examples:
        raise ValueError(
            "`examples_per_class` must be at most the size of the smallest class "
            f"({sizes.min()} examples of class {found[sizes.argmin()]}). Received: "
            f"examples_per_class={examples}. Pass at most {sizes.min()}."
        )
    return classes


def image_size(value: Any) -> tuple[int, int] | None:
    """`value` as (height, width), or None."""
    if value is None:
        return None
    sides = value if isinstance(value, tuple | list) else ()
    if len(sides) != 2 or not all(
        isinstance(side, int | np.integer) and side > 0 for side in sides
    ):
        raise ValueError(
            "`image_size` must be (height, width), two integers >= 1 (pixels), or "
            f"None. Received: image_size={value!r}. Pass for example (64, 64)."
        )
    return int(sides[0]), int(sides[1])


def mixed_sizes(where: str, own: tuple, other: tuple) -> ValueError:
    """The refusal of images that differ in size."""
    sizes = [f"{height}x{width}" for height, width in (own[:2], other[:2])]
    return ValueError(
        "`image_size` must be given for images of mixed sizes (height, width in "
        f"pixels). Received: image_size=None, {where} of {sizes[0]} beside "
        f"{sizes[1]}. Pass for example image_size=(64, 64)."
    )


def _graylevels(x: np.ndarray) -> np.ndarray:
    if x.max() == 1:
        raise ValueError(
            "`x` must use the range 0 to 255 when it is uint8. Received: x of dtype "
            "uint8 with largest value 1. For images of zeros and ones pass "
            "x.astype('float32')."
        )
    return x


def _range_fix(low: float, high: float) -> str:
    if low >= 0 and high <= 255:
        return "For gray levels from 0 to 255 pass x / 255.0, or bounds=(0.0, 255.0)."
    return (
        "Map the pixels to [0, 1] (images in [-1, 1]: (x + 1) / 2) and normalize "
        "inside the model, or pass the range of your pixels as `bounds`."
    )
