"""Accuracy of each class and of each mode, without and under an attack."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mpat.evaluation.embeddings import as_array
from keras_mpat.evaluation.latent.inputs import checked_classes, json_number
from keras_mpat.evaluation.latent.latent_set import LatentSet
from keras_mpat.evaluation.result import percent
from keras_mpat.evaluation.tables import markdown


@dataclass(frozen=True, eq=False)
class GroupAccuracies:
    """How many examples of each group are right.

    Attributes:
        groups: int (G,), the groups that have examples, ascending.
        counts: int (G,), examples.
        clean: int (G,), right without an attack.
        robust: int (G,), right without and under attack.
    """

    groups: np.ndarray
    counts: np.ndarray
    clean: np.ndarray
    robust: np.ndarray

    @property
    def clean_accuracy(self) -> np.ndarray:
        """(G,), shares in [0, 1]."""
        return self.clean / self.counts

    @property
    def robust_accuracy(self) -> np.ndarray:
        """(G,), shares in [0, 1]."""
        return self.robust / self.counts

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "groups": self.groups.tolist(),
            "counts": self.counts.tolist(),
            "clean": self.clean.tolist(),
            "robust": self.robust.tolist(),
            "clean_accuracy": [json_number(value) for value in self.clean_accuracy],
            "robust_accuracy": [json_number(value) for value in self.robust_accuracy],
        }


def group_accuracies(groups, clean, robust) -> GroupAccuracies:
    """Counts verdicts by group.

    Args:
        groups: int (N,), the group of each example.
        clean: bool (N,), right without an attack.
        robust: bool (N,), right without and under attack.

    Raises:
        ValueError: arrays that do not fit.
    """
    groups = checked_classes("groups", groups, as_array(groups).size)
    flags = [
        _verdicts(n, v, len(groups)) for n, v in (("clean", clean), ("robust", robust))
    ]
    present = np.unique(groups)
    counts, *right = (
        np.bincount(groups[rows], minlength=present.max() + 1)[present]
        for rows in (slice(None), *flags)
    )
    return GroupAccuracies(present, counts, *right)


def class_accuracies(found: LatentSet) -> GroupAccuracies:
    """Accuracy of each class."""
    return group_accuracies(found.y, found.clean_right, found.robust)


def mode_accuracies(found: LatentSet) -> GroupAccuracies:
    """Accuracy of each mode (fine label).

    Raises:
        ValueError: the modes are unknown.
    """
    if found.modes is None:
        raise ValueError(
            "`found` must have modes (fine labels). Received: modes=None. Pass the "
            "third array of datasets.arrays(name, split) to latent_set(..., modes=...)."
        )
    return group_accuracies(found.modes, found.clean_right, found.robust)


def accuracy_table(
    found: GroupAccuracies, *, names: Sequence[str] | None = None, title: str = "class"
) -> str:
    """Markdown: one row per group, percent correct with 95 % Wilson intervals.

    Args:
        found: from `class_accuracies` or `mode_accuracies`.
        names: names of all groups by number; `None`: the numbers.
        title: heading of the first column.
    """
    rows = [[title, "examples", "clean", "under attack"]]
    numbers = zip(found.groups, found.counts, found.clean, found.robust, strict=True)
    for group, count, clean, robust in numbers:
        name = str(group) if names is None else names[group]
        rows.append([name, str(count), percent(clean, count), percent(robust, count)])
    return markdown(rows)


def _verdicts(name: str, values, count: int) -> np.ndarray:
    values = as_array(values)
    if values.shape != (count,) or values.dtype != bool:
        raise ValueError(
            f"`{name}` must hold one verdict for each example, booleans of shape "
            f"({count},). Received: dtype {values.dtype}, shape {values.shape}. Pass "
            "e.g. predicted == y."
        )
    return values
