"""Questions about embeddings and classes, asked before an analysis begins."""

import numpy as np

from keras_mpat.evaluation.embeddings import as_array


def checked_points(name: str, points, *, like: np.ndarray | None = None) -> np.ndarray:
    """Embeddings (N, D) as a float array.

    Args:
        name: the argument, for the message.
        points: what was given.
        like: other embeddings (M, D), which have as many columns.

    Raises:
        ValueError: another shape, no numbers, none at all, NaN or infinity.
    """
    points = as_array(points)
    size = "D" if like is None else like.shape[1]
    fits = points.ndim == 2 and points.size > 0 and size in ("D", points.shape[-1])
    if not fits or points.dtype.kind not in "fiu":
        raise ValueError(
            f"`{name}` must be embeddings, numbers of shape (N, {size}). Received: "
            f"dtype {points.dtype}, shape {points.shape}. Pass what embeddings(model, "
            "x) returns; flatten maps with points.reshape(len(points), -1)."
        )
    points = points if points.dtype.kind == "f" else points.astype("float32")
    if not np.all(finite := np.isfinite(points).all(axis=1)):
        raise ValueError(
            f"`{name}` must be finite. Received: NaN or infinity in "
            f"{np.sum(~finite)} of {len(points)} rows. Look for the inputs that give "
            "them."
        )
    return points


def checked_classes(
    name: str, values, count: int, num_classes: int | None = None
) -> np.ndarray:
    """Classes (N,) as int64.

    Args:
        name: the argument, for the message.
        values: what was given.
        count: N.
        num_classes: C; they must be below it. Default None: not asked.

    Raises:
        ValueError: another shape, no integers, or one out of range.
    """
    values = as_array(values)
    if values.shape != (count,) or values.dtype.kind not in "iu":
        raise ValueError(
            f"`{name}` must hold one class for each example, integers of shape "
            f"({count},). Received: dtype {values.dtype}, shape {values.shape}. Of "
            "one-hot labels pass np.argmax(labels, axis=1)."
        )
    high = np.inf if num_classes is None else num_classes
    if np.any(values < 0) or np.any(values >= high):
        wanted = "be >= 0" if num_classes is None else f"lie in 0 … {num_classes - 1}"
        raise ValueError(
            f"`{name}` must {wanted} (classes). Received: values from {values.min()} "
            f"to {values.max()}. Map the labels, or pass the right `num_classes`."
        )
    return values.astype("int64")


def json_number(value) -> float | None:
    """A number as JSON has it: `None` for NaN and infinity."""
    return float(value) if np.isfinite(value) else None
