"""The outcome of `prototype_modes`: which modes the prototypes of a class hold."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class PrototypeModes:
    """How many examples of each mode belong to each prototype.

    Attributes:
        classes: int (P,), the class of each surviving prototype, ascending.
        slots: int (P,), its place among the K of its class, ascending in a class.
        counts: int (P, M), examples of each of M modes (fine labels).
    """

    classes: np.ndarray
    slots: np.ndarray
    counts: np.ndarray

    @property
    def prototypes_per_class(self) -> list[int]:
        """K_j: prototypes of each class."""
        return np.bincount(self.classes).tolist()

    @property
    def examples(self) -> np.ndarray:
        """int (P,), examples of each prototype."""
        return self.counts.sum(axis=1)

    @property
    def purity(self) -> float:
        """Share of examples whose mode is the most frequent one of their prototype."""
        return _share(self.counts.max(axis=1).sum(), self.counts.sum())

    @property
    def class_purity(self) -> list[float]:
        """Purity in each class; NaN in one without examples."""
        return [_share(t.max(axis=1).sum(), t.sum()) for t in self._tables()]

    @property
    def class_purity_of_one(self) -> list[float]:
        """Purity that one prototype per class would have: what to compare with."""
        return [_share(t.sum(axis=0).max(), t.sum()) for t in self._tables()]

    @property
    def purity_of_one(self) -> float:
        """Purity of all classes if each had one prototype."""
        best = sum(table.sum(axis=0).max() for table in self._tables())
        return _share(best, self.counts.sum())

    @property
    def class_nmi(self) -> list[float]:
        """Normalized mutual information of prototype and mode in each class.

        0: they are independent; 1: they are the same partition. It is divided by the
        mean of both entropies, so that prototypes beyond the modes cost. NaN in a class
        without examples or with one mode, which has nothing to find.
        """
        return [_nmi(table) for table in self._tables()]

    @property
    def nmi(self) -> float:
        """Mean of `class_nmi` over the classes where it is a number."""
        values = [value for value in self.class_nmi if np.isfinite(value)]
        return float(np.mean(values)) if values else float("nan")

    def _tables(self) -> list[np.ndarray]:
        return [self.counts[self.classes == c] for c in np.unique(self.classes)]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; `None` where there is no number."""
        return {
            "purity": _json(self.purity),
            "purity_of_one": _json(self.purity_of_one),
            "nmi": _json(self.nmi),
            "prototypes_per_class": self.prototypes_per_class,
            "class_purity": [_json(value) for value in self.class_purity],
            "class_purity_of_one": [_json(v) for v in self.class_purity_of_one],
            "class_nmi": [_json(value) for value in self.class_nmi],
            "classes": self.classes.tolist(),
            "slots": self.slots.tolist(),
            "counts": self.counts.tolist(),
        }


def _nmi(table: np.ndarray) -> float:
    from sklearn.metrics import normalized_mutual_info_score

    if np.sum(table.sum(axis=0) > 0) < 2:
        return float("nan")
    prototype, mode = np.indices(table.shape).reshape(2, -1)
    repeats = table.reshape(-1)
    parts = np.repeat(mode, repeats), np.repeat(prototype, repeats)
    return float(normalized_mutual_info_score(*parts))


def _share(part, whole) -> float:
    return float(part / whole) if whole else float("nan")


def _json(value: float) -> float | None:
    return value if np.isfinite(value) else None
