"""The nearest rows by cosine, block by block: memory does not grow with N times Q."""

import keras
import numpy as np

from keras_mpat.configurable import check_count
from keras_mpat.evaluation.embeddings import as_array
from keras_mpat.evaluation.latent.inputs import checked_points

_QUERIES, _REFERENCES = 512, 8192  # rows of a block: 16 MB of cosines
_SHORT = 10  # blocks without a progress bar


def nearest_rows(
    reference, queries, *, count: int, exclude=None, verbose: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """For each query, the reference rows with the largest cosines.

    A row of zeros has the cosine 0 with all others. Between equal cosines the first
    row wins.

    Args:
        reference: embeddings (N, D).
        queries: embeddings (Q, D).
        count: how many, 1 … N.
        exclude: int (Q,), a row that a query may not find, e.g. itself; -1: none.
        verbose: show a progress bar with the time left, if there is much to do.

    Returns:
        (rows, cosines), int64 and float32 (Q, count), of falling cosine.

    Raises:
        ValueError: embeddings that do not fit, or a count out of range.
    """
    reference = checked_points("reference", reference)
    queries = checked_points("queries", queries, like=reference)
    exclude = _excluded(exclude, len(queries), len(reference))
    check_count("count", count, "Ask for one at least.")
    found = len(reference) - bool(np.any(exclude >= 0))
    if count > found:
        raise ValueError(
            f"`count` must be at most the number of rows to be found, {found}. "
            f"Received: count={count}. Pass more reference rows, or a smaller number."
        )
    units = unit(reference)
    rows = np.empty((len(queries), count), "int64")
    cosines = np.empty((len(queries), count), "float32")
    starts = range(0, len(queries), _QUERIES)
    per_start = -(-len(reference) // _REFERENCES)
    bar = keras.utils.Progbar(
        len(starts) * per_start,
        unit_name="block",
        verbose=int(verbose and len(starts) * per_start > _SHORT),
    )
    for number, start in enumerate(starts):
        own = slice(start, start + _QUERIES)
        rows[own], cosines[own] = _search(
            units, unit(queries[own]), count, exclude[own]
        )
        bar.update((number + 1) * per_start)
    return rows, cosines


def unit(points: np.ndarray) -> np.ndarray:
    """Points (N, D) of length 1, float32; zero stays zero."""
    lengths = np.sqrt(np.einsum("nd,nd->n", points, points, dtype="float64"))
    factors = 1.0 / np.where(lengths > 0, lengths, 1.0)
    units = np.empty(points.shape, "float32")
    return np.multiply(points, factors[:, None], out=units, casting="same_kind")


def _search(units, queries, count: int, exclude) -> tuple[np.ndarray, np.ndarray]:
    """Rows and cosines (Q, count) of one block of queries of length 1."""
    rows = np.empty((len(queries), 0), "int64")
    best = np.empty((len(queries), 0), "float32")
    for start in range(0, len(units), _REFERENCES):
        cosines = queries @ units[start : start + _REFERENCES].T
        own = np.flatnonzero((exclude >= start) & (exclude < start + cosines.shape[1]))
        cosines[own, exclude[own] - start] = -np.inf
        chosen = _largest(cosines, count)
        rows = np.concatenate([rows, start + chosen], axis=1)
        best = np.concatenate([best, _taken(cosines, chosen)], axis=1)
        chosen = _largest(best, count)
        rows, best = _taken(rows, chosen), _taken(best, chosen)
    return rows, best


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Columns of the largest values (Q, M) of each row, falling; ties: the first."""
    size = values.shape[1]
    if count >= size:
        return np.argsort(-values, axis=1, kind="stable")
    chosen = np.sort(np.argpartition(values, size - count, axis=1)[:, -count:], axis=1)
    least = _taken(values, chosen).min(axis=1, keepdims=True)
    # Of several equal to the last, a partition takes any.
    tied = np.flatnonzero(np.count_nonzero(values >= least, axis=1) > count)
    ordered = np.argsort(-values[tied], axis=1, kind="stable")
    chosen[tied] = np.sort(ordered[:, :count], axis=1)
    falling = np.argsort(-_taken(values, chosen), axis=1, kind="stable")
    return _taken(chosen, falling)


def _taken(values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values, columns, axis=1)


def _excluded(exclude, count: int, size: int) -> np.ndarray:
    if exclude is None:
        return np.full(count, -1)
    exclude = as_array(exclude)
    found = f"dtype {exclude.dtype}, shape {exclude.shape}"
    fits = exclude.shape == (count,) and exclude.dtype.kind in "iu"
    if fits and (np.any(exclude < -1) or np.any(exclude >= size)):
        fits, found = False, f"values from {exclude.min()} to {exclude.max()}"
    if not fits:
        raise ValueError(
            "`exclude` must be a row number for each query, integers from -1 (none) to "
            f"{size - 1} of shape ({count},). Received: {found}. For queries that are "
            "the gallery pass np.arange(len(gallery))."
        )
    return exclude.astype("int64")
