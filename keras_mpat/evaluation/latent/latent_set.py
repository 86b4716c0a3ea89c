"""`LatentSet`: embeddings and predictions of examples, clean and under attack."""

import dataclasses
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mpat import files
from keras_mpat.evaluation.latent.inputs import checked_classes, checked_points

_OPTIONAL = ("modes", "examples")


@dataclass(frozen=True, eq=False)
class LatentSet:
    """Where a classifier puts N examples, and where an attack moves them.

    Attributes:
        clean: float32 (N, D), embeddings without an attack.
        adversarial: float32 (N, D), of the adversarial examples: all N, also of those
            that withstood or were wrong without an attack.
        y: int64 (N,), true classes.
        clean_predicted: int64 (N,), predictions without an attack.
        adversarial_predicted: int64 (N,), predictions under attack.
        num_classes: C.
        attack: repr of the attack: every setting.
        seed: seed of its noise.
        modes: int64 (N,), fine labels; `None`: unknown.
        examples: float32 (N, ...), the adversarial examples; `None`: not kept.

    Raises:
        ValueError: arrays of unequal length, NaN, or classes out of range.
    """

    clean: np.ndarray
    adversarial: np.ndarray
    y: np.ndarray
    clean_predicted: np.ndarray
    adversarial_predicted: np.ndarray
    num_classes: int
    attack: str = ""
    seed: int = 0
    modes: np.ndarray | None = None
    examples: np.ndarray | None = None

    def __post_init__(self):
        clean = checked_points("clean", self.clean)
        adversarial = checked_points("adversarial", self.adversarial, like=clean)
        values = {"clean": clean.astype("float32", copy=False)}
        values["adversarial"] = adversarial.astype("float32", copy=False)
        for name in ("y", "clean_predicted", "adversarial_predicted"):
            given = getattr(self, name)
            values[name] = checked_classes(name, given, len(clean), self.num_classes)
        if self.modes is not None:
            values["modes"] = checked_classes("modes", self.modes, len(clean))
        for name in ("adversarial", "examples"):
            rows = getattr(self, name)
            if rows is not None and len(rows) != len(clean):
                raise ValueError(
                    f"`{name}` must have a row for each of the {len(clean)} examples. "
                    f"Received: {len(rows)} rows. Take all of them, in order."
                )
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def clean_right(self) -> np.ndarray:
        """bool (N,), correct without an attack."""
        return self.clean_predicted == self.y

    @property
    def robust(self) -> np.ndarray:
        """bool (N,), correct without and under attack, as in `evaluate_robustness`."""
        return self.clean_right & (self.adversarial_predicted == self.y)

    def to_dict(self) -> dict[str, Any]:
        """What it is about, as JSON values; the arrays are for `save`."""
        return {
            "n": len(self.y),
            "dimensions": self.clean.shape[1],
            "num_classes": self.num_classes,
            "attack": self.attack,
            "seed": self.seed,
            "clean_accuracy": float(np.mean(self.clean_right)),
            "robust_accuracy": float(np.mean(self.robust)),
        }

    def save(self, path: str | os.PathLike) -> None:
        """Writes all of it as .npz without pickle, whole or not at all."""
        pairs = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))
        kept = {name: value for name, value in pairs if value is not None}
        with files.written(path, "wb") as file:
            np.savez(file, **kept)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "LatentSet":
        """Reads what `save` wrote.

        Raises:
            ValueError: the file lacks arrays.
        """
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            values: dict[str, Any] = {name: stored[name] for name in stored.files}
        wanted = {field.name for field in dataclasses.fields(cls)}
        if missing := sorted(wanted - values.keys() - set(_OPTIONAL)):
            raise ValueError(
                "`path` must lead to what LatentSet.save wrote. Received: "
                f"{os.fspath(path)!r}, which lacks {', '.join(missing)}. Make it again "
                "with latent_set(...).save(path)."
            )
        for name, kind in (("num_classes", int), ("seed", int), ("attack", str)):
            values[name] = kind(values[name][()])
        return cls(**{name: values[name] for name in wanted & values.keys()})
