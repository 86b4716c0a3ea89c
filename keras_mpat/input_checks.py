"""Questions about inputs and labels, asked before training, attacks and evaluation."""

import numpy as np
from keras import ops

from keras_mpat.threat_models import L2


def check_inputs(x: np.ndarray, threat_model, shape: tuple | None = None) -> None:
    """Raises unless x is float, finite and inside the bounds of the threat model.

    Args:
        x: inputs (N, ...).
        threat_model: a `ThreatModel`, or None: any finite input will do.
        shape: of one example, None where any size will do. Default: not asked.
    """
    if shape is not None and not _fits(x.shape, (None, *shape)):
        raise ValueError(
            f"`x` must have the shape that the classifier takes, {_text(shape)}. "
            f"Received: x of shape {x.shape}. {_shape_fix(x.shape, shape)}"
        )
    if x.ndim == 0 or x.size == 0:
        raise ValueError(
            "`x` must hold at least one example. "
            f"Received: x of shape {x.shape}. Check how the data was selected."
        )
    if not _is_float(x) and not (x.dtype.kind in "iu" and _in_levels(threat_model)):
        raise ValueError(
            f"`x` must be a float array. Received: dtype {x.dtype}. For images in "
            "0-255 pass x.astype('float32') / 255 or datasets.from_arrays(x, y), or "
            "say so in the threat model: Linf('8/255', bounds=(0, 255))."
        )
    finite = np.isfinite(x)
    if not np.all(finite):
        rows = int(np.sum(~np.all(finite.reshape(len(x), -1), axis=1)))
        raise ValueError(
            "`x` must be finite. Received: NaN or infinity in "
            f"{rows} of {len(x)} examples. Drop or repair those."
        )
    if threat_model is None:
        return
    threat_model.check_example(x.shape[1:])
    low, high = (np.asarray(bound, "float64") for bound in threat_model.bounds)
    slack = 1e-5 * (high - low)
    if np.any(x < low - slack) or np.any(x > high + slack):
        raise ValueError(
            f"`x` must lie in the threat model's bounds {threat_model.bounds}. "
            f"Received: values from {x.min():g} to {x.max():g}. Rescale the inputs, "
            f"or pass their range: Linf(..., bounds={_range_of(x)})."
        )


def check_scale(x: np.ndarray, threat_model) -> None:
    """Raises if the inputs x (N, ...) are images in [0, 1] in bounds of gray levels.

    There 8/255 of the range is 8, so that the ball around one input holds all others.
    Low contrast alone is no mistake: the bounds must be wider than they need be.
    """
    if threat_model is None or ops.is_tensor(threat_model.epsilon):
        return
    usual = _usual_range(x)
    bottom, top = threat_model.bounds
    if usual is None or np.all(np.subtract(top, bottom) <= usual[1] - usual[0]):
        return
    radii = np.asarray(threat_model.radius, "float64")
    low, high = float(x.min()), float(x.max())
    features = np.prod(x.shape[1:]) if isinstance(threat_model, L2) else 1
    smallest = np.min(radii, where=radii > 0, initial=np.inf)
    if low == high or not np.isfinite(smallest):
        return
    if smallest > (high - low) * np.sqrt(features):
        raise ValueError(
            "`x` must spread further than the radius of the threat model. Received: "
            f"values from {low:g} to {high:g}, epsilon={threat_model.epsilon!r} with "
            f"bounds={threat_model.bounds!r}. Rescale the inputs, or pass their "
            f"range: bounds={usual}."
        )


def are_probabilities(rows: np.ndarray) -> bool:
    """Whether all rows (B, C) look like the output of a softmax.

    Rows of float16 and bfloat16 sum to 1 within about a hundredth.
    """
    rows = rows.astype("float32")
    return bool(np.all(rows >= 0) and np.all(np.abs(np.sum(rows, axis=-1) - 1) < 1e-2))


def _range_of(x) -> str:
    """The usual range of images that holds x, as it is written."""
    return str(_usual_range(x) or "(lowest, highest)")


def _usual_range(x):
    for low, high in ((0, 1), (-1, 1), (0, 255)):
        if low <= x.min() and x.max() <= high:
            return low, high
    return None


def check_labels(y: np.ndarray, num_classes: int, count: int | None = None) -> None:
    """Raises unless y is (N,), (N, 1) or one-hot (N, C) with classes 0 … C - 1.

    Args:
        y: labels.
        num_classes: C.
        count: number of inputs, which y must have, too. Default: not asked.
    """
    if count is not None and (y.ndim == 0 or len(y) != count):
        raise ValueError(
            "`y` must hold one label for each input. Received: "
            f"y of shape {y.shape} for {count} inputs. Pass arrays of equal length."
        )
    if y.dtype.kind not in "biu" and not _is_float(y):
        raise ValueError(
            f"`y` must hold numbers. Received: y of dtype {y.dtype}. For names pass "
            "np.unique(y, return_inverse=True)[1]."
        )
    if y.ndim == 2 and y.shape[1] == num_classes and num_classes > 1:
        _check_one_hot(y)
        return
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.shape[1] != 1):
        raise ValueError(
            f"`y` must be labels (N,), (N, 1) or one-hot (N, {num_classes}). "
            f"Received: shape {y.shape}. Give each example one class of {num_classes}."
        )
    known = (y >= 0) & (y < num_classes) & (y == np.floor(y))  # NaN is not
    if not np.all(known):
        raise ValueError(
            f"`y` must hold the classes 0 … {num_classes - 1}. Received: values from "
            f"{y.min()} to {y.max()}. Map the labels, or give the classifier more "
            "outputs."
        )


def _is_float(x) -> bool:
    return x.dtype.kind == "f" or x.dtype.name == "bfloat16"


def _in_levels(threat_model) -> bool:
    """Whether the bounds say that inputs are numbers such as 0 … 255."""
    return threat_model is not None and bool(
        np.all(np.asarray(threat_model.bounds[1]) > 1)
    )


def _check_one_hot(y) -> None:
    sums = np.sum(y, axis=1, dtype="float64")
    if not (np.all(y >= 0) and np.all(np.abs(sums - 1) < 1e-3)):
        raise ValueError(
            "`y` must name one class in each row: one-hot, or probabilities of sum 1. "
            f"Received: rows with sums from {sums.min():g} to {sums.max():g}. Several "
            "labels per example are not supported."
        )


def _fits(found: tuple, wanted: tuple) -> bool:
    return len(found) == len(wanted) and all(
        b in (None, a) for a, b in zip(found, wanted, strict=True)
    )


def _text(shape: tuple) -> str:
    return "(N, " + ", ".join("any" if n is None else str(n) for n in shape) + ")"


def _shape_fix(found: tuple, shape: tuple) -> str:
    if _fits(found, shape):
        return "For a single example pass x[None]."
    if _fits((*found, 1), (None, *shape)):
        return "For the missing channel pass x[..., None]."
    if len(found) == len(shape) + 1 == 4 and _fits(
        (found[0], *found[2:], found[1]), (None, *shape)
    ):
        return "For channels last pass np.moveaxis(x, 1, -1)."
    return "Resize the inputs, or build the classifier for their shape."
