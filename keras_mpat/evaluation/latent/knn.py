"""The k nearest neighbors as a classifier: does the latent space know the classes?"""

import numpy as np

from keras_mpat.configurable import check_count
from keras_mpat.evaluation.latent.inputs import checked_classes, checked_points
from keras_mpat.evaluation.latent.search import nearest_rows


def knn_predict(
    reference, labels, queries, *, neighbors: int = 50, verbose: bool = True
) -> np.ndarray:
    """Classes by a vote of the nearest reference embeddings, by cosine.

    Between classes of as many votes, the one of smaller summed distance 1 - cos wins;
    then the smaller number.

    Args:
        reference: embeddings (N, D), of clean training examples in the paper.
        labels: their classes, int (N,).
        queries: embeddings (Q, D).
        neighbors: K, 1 … N.
        verbose: show a progress bar with the time left, if there is much to do.

    Returns:
        int64 (Q,).

    Raises:
        ValueError: embeddings or labels that do not fit, or K out of range.

    References:
        Mao et al., "Metric Learning for Adversarial Robustness", Table 3.
    """
    reference = checked_points("reference", reference)
    labels = checked_classes("labels", labels, len(reference))
    check_count("neighbors", neighbors, "50 is the paper's.")
    if neighbors > len(reference):
        raise ValueError(
            "`neighbors` must be at most the number of reference embeddings, "
            f"{len(reference)}. Received: neighbors={neighbors}. Pass more of them, or "
            "a smaller number."
        )
    rows, cosines = nearest_rows(reference, queries, count=neighbors, verbose=verbose)
    return _vote(labels[rows], 1.0 - cosines.astype("float64"))


def knn_accuracy(reference, labels, queries, query_labels, **options) -> float:
    """Share of queries whose class `knn_predict` finds.

    Args:
        reference, labels, queries: as in `knn_predict`.
        query_labels: true classes of the queries, int (Q,).
        **options: as in `knn_predict`.

    Raises:
        ValueError: as `knn_predict`.
    """
    queries = checked_points("queries", queries)
    truth = checked_classes("query_labels", query_labels, len(queries))
    return float(np.mean(knn_predict(reference, labels, queries, **options) == truth))


def _vote(classes: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """The winners (Q,) of votes for classes (Q, K) at distances (Q, K)."""
    size = classes.max() + 1
    cells = classes + size * np.arange(len(classes))[:, None]
    shape = (len(classes), size)
    votes = np.bincount(cells.ravel(), minlength=shape[0] * size).reshape(shape)
    summed = np.bincount(cells.ravel(), distances.ravel(), minlength=shape[0] * size)
    leading = votes == votes.max(axis=1, keepdims=True)
    return np.argmin(np.where(leading, summed.reshape(shape), np.inf), axis=1)
