"""Prototypes as NumPy arrays: which are left, and which one is nearest.

`SoftTripleHead.compact` and `.assign` are these functions on the head's weights.
Shapes: N embeddings, C classes, K prototypes per class, D features.
"""

from typing import NamedTuple

import numpy as np
from keras import ops

from keras_mpat.input_checks import check_labels

_CHUNK = 4096  # embeddings at a time: 16 MB of similarities for C K = 1000


class Survivors(NamedTuple):
    """The active prototypes of each class, as lists over the C classes.

    Attributes:
        prototypes: directions of length 1, (K_j, D) each.
        counts: how many of the first prototypes each stands for, int (K_j,) each.
        slots: their places k in the weights (C, K, D), int (K_j,) each.
    """

    prototypes: list[np.ndarray]
    counts: list[np.ndarray]
    slots: list[np.ndarray]


def directions(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., D) of length 1 in float64; zero stays zero."""
    vectors = np.asarray(vectors, "float64")
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def survivors(prototypes, active, counts) -> Survivors:
    """The active ones of prototypes (C, K, D), with mask and counts (C, K)."""
    slots = [np.flatnonzero(row > 0) for row in active]
    units = directions(prototypes)
    return Survivors(
        [units[j, own] for j, own in enumerate(slots)],
        [np.rint(counts[j, own]).astype("int64") for j, own in enumerate(slots)],
        slots,
    )


def nearest(embeddings, labels, prototypes, active):
    """(classes, slots), int32 (N,): the active prototype with the largest cosine.

    Args:
        embeddings: (N, D), an array or a tensor, of any length; NaN is refused.
        labels: (N,), (N, 1) or one-hot (N, C); None: prototypes of all classes.
        prototypes: (C, K, D).
        active: (C, K), 1 for prototypes in use.

    Raises:
        ValueError: embeddings of another shape or not finite, or wrong labels.
    """
    embeddings = _array(embeddings)
    classes, size, features = prototypes.shape
    if embeddings.ndim != 2 or embeddings.shape[1] != features:
        raise ValueError(
            f"`embeddings` must have the shape (N, {features}). Received: embeddings "
            f"of shape {embeddings.shape}. Pass what the head gets, e.g. "
            "models.feature_model(classifier).predict(x)[1]."
        )
    if not np.all(np.isfinite(embeddings)):
        raise ValueError(
            "`embeddings` must be finite. Received: NaN or infinity among them. Look "
            "for the inputs that give them."
        )
    if labels is not None:
        labels = _class_numbers(_array(labels), classes, len(embeddings))
    units = directions(prototypes).reshape(-1, features)
    flat = np.empty(len(embeddings), "int64")
    for start in range(0, len(embeddings), _CHUNK):
        rows = slice(start, start + _CHUNK)
        # The length of an embedding does not change which prototype is nearest.
        cosines = (embeddings[rows].astype("float64") @ units.T).reshape(
            -1, classes, size
        )
        allowed = np.broadcast_to(active > 0, cosines.shape)
        if labels is not None:
            own = labels[rows, None] == np.arange(classes)
            allowed = allowed & own[:, :, None]
        cosines = np.where(allowed, cosines, -np.inf).reshape(len(cosines), -1)
        flat[rows] = cosines.argmax(-1)
    return (flat // size).astype("int32"), (flat % size).astype("int32")


def _array(data) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(data) if ops.is_tensor(data) else data)


def _class_numbers(labels: np.ndarray, num_classes: int, count: int) -> np.ndarray:
    try:
        check_labels(labels, num_classes, count)
    except ValueError as error:
        raise ValueError(str(error).replace("`y`", "`labels`", 1)) from None
    if labels.ndim == 2 and labels.shape[1] > 1:
        labels = labels.argmax(-1)
    return labels.reshape(-1).astype("int64")
