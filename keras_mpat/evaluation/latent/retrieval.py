"""Retrieval: the gallery examples nearest to a query, and how many are of its class."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mpat.evaluation.latent.inputs import checked_classes, checked_points
from keras_mpat.evaluation.latent.search import nearest_rows


@dataclass(frozen=True, eq=False)
class Retrieval:
    """What queries found.

    Attributes:
        rows: int64 (Q, count), gallery rows, the nearest first.
        cosines: float32 (Q, count), their cosines with the query.
        right: bool (Q, count), whether they are of the query's class.
    """

    rows: np.ndarray
    cosines: np.ndarray
    right: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """(count,), precision@k: share of the k nearest that are right, all queries."""
        places = np.arange(1, self.right.shape[1] + 1)
        return np.cumsum(self.right.mean(axis=0)) / places

    def to_dict(self) -> dict[str, Any]:
        """Precision as JSON values; the rows are for pictures."""
        return {
            "queries": len(self.rows),
            "precision": [float(value) for value in self.precision],
        }


def retrieve(
    gallery,
    labels,
    queries,
    query_labels,
    *,
    count: int = 4,
    exclude=None,
    verbose: bool = True,
) -> Retrieval:
    """Finds the gallery embeddings nearest to each query, by cosine.

    A query never finds itself: where the queries are the gallery, its own row is left
    out. Of queries made from gallery examples, such as their adversarial examples or
    some of the rows, say by `exclude` which rows they are.

    Args:
        gallery: embeddings (N, D).
        labels: their classes, int (N,).
        queries: embeddings (Q, D).
        query_labels: true classes of the queries, int (Q,).
        count: how many, 1 … N, or N - 1 with rows left out.
        exclude: int (Q,), the gallery row of each query; -1: it has none.
        verbose: show a progress bar with the time left, if there is much to do.

    Raises:
        ValueError: embeddings or labels that do not fit, or a count out of range.

    References:
        Mao et al., "Metric Learning for Adversarial Robustness", Figure 4; Khan et al.
        (MPAT), Figure 4.
    """
    gallery = checked_points("gallery", gallery)
    queries = checked_points("queries", queries, like=gallery)
    labels = checked_classes("labels", labels, len(gallery))
    truth = checked_classes("query_labels", query_labels, len(queries))
    if exclude is None and np.array_equal(queries, gallery):
        exclude = np.arange(len(gallery))
    rows, cosines = nearest_rows(
        gallery, queries, count=count, exclude=exclude, verbose=verbose
    )
    return Retrieval(rows, cosines, labels[rows] == truth[:, None])
