"""The outcome of a robustness evaluation: verdicts per example, kept and reloadable."""

import json
import math
import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mpat import files
from keras_mpat.evaluation.evidence import Evidence

# Two-sided 95 % points of Student's t with 1, 2, ... degrees of freedom.
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True)
class Part:
    """One of the attacks that follow one another in a stage.

    Attributes:
        name: its name.
        attack: its repr: every setting, step size included.
        correct: bool (N,), which examples it and the parts before it left correct.
        seconds: time spent.
    """

    name: str
    attack: str
    correct: np.ndarray
    seconds: float

    @property
    def accuracy(self) -> float:
        """Share of examples that are correct."""
        return float(np.mean(self.correct))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of `accuracy`."""
        return wilson_interval(int(np.sum(self.correct)), len(self.correct))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "name": self.name,
            "attack": self.attack,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "seconds": round(self.seconds, 3),
            "correct": _to_text(self.correct),
        }


@dataclass(frozen=True)
class Stage(Part):
    """One attack of an evaluation, as the caller named it.

    Attributes:
        correct: bool (N,), which examples this attack alone left correct.
        parts: those it consists of, in order, e.g. of `AutoAttack`; else itself.
    """

    parts: tuple[Part, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        parts = [part.to_dict() for part in self.parts]
        return super().to_dict() | {"parts": parts if len(parts) > 1 else []}


@dataclass(frozen=True)
class RobustnessResult:
    """Verdicts of one classifier under one or several attacks.

    Attributes:
        clean: bool (N,), correct without an attack.
        robust: bool (N,), correct without an attack and under every attack: the worst
            case per example. Examples wrong before the attack are not robust.
        stages: one `Stage` per attack, each on its own.
        zero_gradients: share of examples whose input gradient of the cross-entropy is
            exactly 0; above a few percent, gradient attacks cannot be trusted.
        seed: seed of the attacks' noise.
        evidence: digests, and who was fooled by what; None in files of earlier states.
        certified: bool (N,), proven to be robust against every attack and therefore
            not attacked; `None`: nothing was to be proven.
    """

    clean: np.ndarray
    robust: np.ndarray
    stages: tuple[Stage, ...]
    zero_gradients: float
    seed: int
    evidence: Evidence | None = None
    certified: np.ndarray | None = None

    @property
    def n(self) -> int:
        """Number of examples."""
        return len(self.clean)

    @property
    def clean_accuracy(self) -> float:
        """Share of examples that are correct without an attack."""
        return float(np.mean(self.clean))

    @property
    def robust_accuracy(self) -> float:
        """Share of examples that are correct under every attack."""
        return float(np.mean(self.robust))

    @property
    def certified_accuracy(self) -> float | None:
        """Share of examples that are certified: robust accuracy is not lower."""
        return None if self.certified is None else float(np.mean(self.certified))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of `robust_accuracy`."""
        return wilson_interval(int(np.sum(self.robust)), self.n)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; verdicts as strings of 0 and 1."""
        proven = self.certified
        return {
            "n": self.n,
            "clean_accuracy": self.clean_accuracy,
            "robust_accuracy": self.robust_accuracy,
            "certified_accuracy": self.certified_accuracy,
            "interval": list(self.interval),
            "zero_gradients": self.zero_gradients,
            "seed": self.seed,
            "clean": _to_text(self.clean),
            "robust": _to_text(self.robust),
            "certified": None if proven is None else _to_text(proven),
            "stages": [stage.to_dict() for stage in self.stages],
            "evidence": None if self.evidence is None else self.evidence.to_dict(),
        }

    def save(self, path: str | os.PathLike) -> None:
        """Writes `to_dict` as JSON, whole or not at all."""
        files.write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | os.PathLike) -> "RobustnessResult":
        """Reads what `save` wrote."""
        with open(path, encoding="utf-8") as file:
            return cls.from_dict(json.load(file))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RobustnessResult":
        """The result that `to_dict` has written down."""
        proof = values.get("evidence")
        stages = tuple(
            Stage(
                *_fields(stage),
                tuple(Part(*_fields(p)) for p in stage.get("parts", [])),
            )
            for stage in values["stages"]
        )
        proven = values.get("certified")  # files of earlier versions have none
        return cls(
            clean=_to_flags(values["clean"]),
            robust=_to_flags(values["robust"]),
            stages=stages,
            zero_gradients=values["zero_gradients"],
            seed=values["seed"],
            evidence=Evidence.from_dict(proof) if proof else None,
            certified=None if proven is None else _to_flags(proven),
        )

    def __eq__(self, other: object) -> bool:
        """Equal verdicts, settings and seed; not time spent, nor evidence."""
        if not isinstance(other, RobustnessResult):
            return False
        first, second = self.to_dict(), other.to_dict()
        del first["evidence"], second["evidence"]
        for stage in (*first["stages"], *second["stages"]):
            for part in (stage, *stage["parts"]):
                del part["seconds"]
        return first == second


def wilson_interval(successes: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a proportion that is right for shares near 0 and 1, too.

    References:
        Wilson, J. Am. Stat. Assoc. 22 (1927), 209-212.
    """
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    center = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (center - spread) / scale), min(1.0, (center + spread) / scale)


def seed_interval(scores) -> tuple[float, float]:
    """95 % interval of the mean of a few figures, by Student's t.

    Args:
        scores: two or more numbers, one per seed.

    Raises:
        ValueError: fewer.
    """
    if len(scores) < 2:
        raise ValueError(
            "`scores` must be two or more numbers. Received: "
            f"scores={list(scores)}. Train with another seed."
        )
    mean, freedom = statistics.fmean(scores), len(scores) - 1
    if freedom <= len(_STUDENT):
        quantile = _STUDENT[freedom - 1]
    else:  # the first terms of Cornish and Fisher: within 0.1 % from 11 on
        z, v = 1.959964, freedom
        quantile = z + (z**3 + z) / (4 * v)
        quantile += (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
    half = quantile * statistics.stdev(scores) / math.sqrt(len(scores))
    return mean - half, mean + half


def percent(successes: int, n: int) -> str:
    """A share in percent and its 95 % Wilson interval, e.g. "50.00 (40.4–59.6)"."""
    low, high = wilson_interval(successes, n)
    return f"{100 * successes / n:.2f} ({100 * low:.1f}–{100 * high:.1f})"


def _fields(values: dict[str, Any]) -> tuple:
    correct = _to_flags(values["correct"])
    return values["name"], values["attack"], correct, values["seconds"]


def _to_text(flags: np.ndarray) -> str:
    return "".join("1" if flag else "0" for flag in flags)


def _to_flags(text: str) -> np.ndarray:
    return np.array([character == "1" for character in text], "bool")
