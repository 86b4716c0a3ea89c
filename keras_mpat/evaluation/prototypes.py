"""What the prototypes of a head stand for.

    found = prototype_modes(model, x, y, modes)  # modes: fine labels, not trained on
    print(prototype_table(found), found.purity, found.nmi)
    nearest_images(model, x, y)[0, 2]  # the images closest to prototype 2 of class 0

A head that has found the hidden modes of a class has one prototype for each. Examples
are taken without an attack, and belong to the nearest prototype of their own class.
"""

import numpy as np

from keras_mpat.configurable import check_count
from keras_mpat.evaluation.embeddings import as_array, check_model, embeddings
from keras_mpat.evaluation.modes import PrototypeModes
from keras_mpat.input_checks import check_labels
from keras_mpat.layers import SoftTripleHead
from keras_mpat.layers.prototypes import nearest


def prototype_modes(model, x, y, modes, *, batch_size: int = 128) -> PrototypeModes:
    """Assigns examples to the prototypes of their class, and counts their modes.

    Args:
        model: an `AdversarialModel` with a `SoftTripleHead`.
        x: examples (N, ...), as in `embeddings`.
        y: their classes (N,), (N, 1) or one-hot (N, C).
        modes: their fine labels (N,), integers >= 0, as in `datasets.arrays`.
        batch_size: examples per pass, >= 1.

    Raises:
        ValueError: another model or head, or inputs that do not fit.
    """
    y = _labels(model, x, y)
    modes = _modes(modes, len(y))
    latent = embeddings(model, x, batch_size=batch_size)
    _, chosen = model.head.assign(latent, labels=y)
    return _counted(model.head, y, chosen, modes)


def untrained_modes(
    model, x, y, modes, *, draws: int = 10, seed: int = 0, batch_size: int = 128
) -> list[PrototypeModes]:
    """`prototype_modes` with random directions in place of the prototypes: a control.

    Prototypes that know nothing of the modes cut the latent space, too, and the more
    there are, the purer the pieces. What training added is what lies above this.

    Args:
        model, x, y, modes, batch_size: as in `prototype_modes`.
        draws: how often, >= 1.
        seed: seed of the directions, >= 0.

    Returns:
        One result for each draw; the same classes and slots.

    Raises:
        ValueError: as `prototype_modes`, or a number out of range.
    """
    check_count("draws", draws, "10 give a mean.")
    check_count("seed", seed, "Pass seed=0.", minimum=0)
    y = _labels(model, x, y)
    modes = _modes(modes, len(y))
    latent = embeddings(model, x, batch_size=batch_size)
    classes, slots = _survivors(model.head)
    shape = tuple(model.head.prototypes.shape)
    active, rng = np.zeros(shape[:2]), np.random.default_rng(seed)
    active[classes, slots] = 1.0
    found = []
    for _ in range(draws):
        _, chosen = nearest(latent, y, rng.normal(size=shape), active)
        found.append(_counted(model.head, y, chosen, modes))
    return found


def nearest_images(
    model, x, y, *, count: int = 8, batch_size: int = 128
) -> dict[tuple[int, int], np.ndarray]:
    """Rows of x that are closest to each prototype, among the examples of its class.

    Args:
        model: an `AdversarialModel` with a `SoftTripleHead`.
        x: examples (N, ...), as in `embeddings`.
        y: their classes (N,), (N, 1) or one-hot (N, C).
        count: how many, >= 1; fewer where the class has fewer.
        batch_size: examples per pass, >= 1.

    Returns:
        By (class, slot), rows (count,) of falling cosine; of equals the first.

    Raises:
        ValueError: another model or head, inputs that do not fit, or a count below 1.
    """
    check_count("count", count, "8 make a row of pictures.")
    y = _labels(model, x, y)
    latent = embeddings(model, x, batch_size=batch_size)
    length = np.linalg.norm(latent, axis=1, keepdims=True)
    latent = latent / np.maximum(length, 1e-12)
    survivors, rows = model.head.compact(), {}
    for c, (prototypes, slots) in enumerate(
        zip(survivors.prototypes, survivors.slots, strict=True)
    ):
        own = np.flatnonzero(y == c)
        cosines = latent[own] @ np.asarray(prototypes).T
        order = np.argsort(-cosines, axis=0, kind="stable")[:count]
        for column, slot in enumerate(slots):
            rows[c, int(slot)] = own[order[:, column]]
    return rows


def prototype_points(model) -> tuple[np.ndarray, np.ndarray]:
    """The prototypes that are in use, to be drawn among the embeddings.

    Args:
        model: an `AdversarialModel` with a `SoftTripleHead`.

    Returns:
        (points, classes): float64 (P, D) of length 1, and int64 (P,).

    Raises:
        ValueError: another model or head.
    """
    _check_head(model)
    points = np.concatenate(model.head.compact().prototypes)
    return points, _survivors(model.head)[0]


def _counted(head, y, chosen, modes) -> PrototypeModes:
    """Modes (N,) of examples, counted by class y (N,) and slot (N,)."""
    classes, slots = _survivors(head)
    counts = np.zeros((len(classes), modes.max() + 1), "int64")
    rows = np.zeros((classes.max() + 1, slots.max() + 1), "int64")
    rows[classes, slots] = np.arange(len(classes))
    np.add.at(counts, (rows[y, np.asarray(chosen)], modes), 1)
    return PrototypeModes(classes, slots, counts)


def _survivors(head) -> tuple[np.ndarray, np.ndarray]:
    slots = [np.asarray(own, "int64") for own in head.compact().slots]
    classes = np.repeat(np.arange(len(slots)), [len(own) for own in slots])
    return classes, np.concatenate(slots)


def _labels(model, x, y) -> np.ndarray:
    """Checked classes (N,) of examples x, for a model with prototypes."""
    _check_head(model)
    y = as_array(y)
    check_labels(y, model.num_classes, len(as_array(x)))
    if y.ndim == 2 and y.shape[1] > 1:
        y = np.argmax(y, axis=1)
    return y.reshape(-1).astype("int64")


def _check_head(model) -> None:
    check_model(model)
    if not isinstance(model.head, SoftTripleHead):
        raise ValueError(
            "`model` must have a SoftTripleHead, whose prototypes are looked at. "
            f"Received: head={model.head and type(model.head).__name__}. Train one "
            f"with head=SoftTripleHead({model.num_classes})."
        )


def _modes(modes, count: int) -> np.ndarray:
    modes = as_array(modes)
    if modes.shape != (count,) or modes.dtype.kind not in "iu" or np.any(modes < 0):
        raise ValueError(
            "`modes` must be the fine label of each example, integers >= 0 of shape "
            f"({count},). Received: dtype {modes.dtype}, shape {modes.shape}. Pass the "
            "third array of datasets.arrays(name, split)."
        )
    return modes.astype("int64")
