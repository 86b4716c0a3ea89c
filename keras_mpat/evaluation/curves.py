"""`accuracy_curve`: accuracy against the size or the effort of an attack.

    curve = accuracy_curve(model, (x, y), attack, epsilon=[0.1, 0.2, 0.3])
    write_curve(curve, "curve.csv")

An attack that finds less with more steps, or in a larger ball, has failed where it did:
the running worst case carries what was fooled on, and both accuracies are told.
"""

import csv
import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_mpat.attacks import Attack
from keras_mpat.configurable import check_count, numbers
from keras_mpat.evaluation.attacked import check_attack
from keras_mpat.evaluation.result import wilson_interval
from keras_mpat.evaluation.robustness import evaluate_robustness

PARAMETERS = ("epsilon", "steps", "restarts")


@dataclass(frozen=True, eq=False)
class AccuracyCurve:
    """Verdicts of one attack at P values of one parameter.

    Attributes:
        parameter: "epsilon" (in input units), "steps" or "restarts".
        values: its values, rising.
        clean: bool (N,), correct without an attack.
        correct: bool (P, N), correct under the attack at this value alone: raw.
        attacks: P texts, with every setting.
    """

    parameter: str
    values: tuple[float, ...]
    clean: np.ndarray
    correct: np.ndarray
    attacks: tuple[str, ...]

    @property
    def n(self) -> int:
        """Number of examples."""
        return len(self.clean)

    @property
    def clean_accuracy(self) -> float:
        """Share of examples that are correct without an attack."""
        return float(np.mean(self.clean))

    @property
    def robust(self) -> np.ndarray:
        """bool (P, N): correct at this value and at all smaller ones.

        What fools an example lies in all larger balls, too, and is known to whoever has
        tried fewer steps before: so this is the better upper bound of robustness.
        """
        return np.logical_and.accumulate(self.correct, axis=0)

    @property
    def raw_accuracy(self) -> np.ndarray:
        """float64 (P,), of `correct`."""
        return np.mean(self.correct, axis=1)

    @property
    def accuracy(self) -> np.ndarray:
        """float64 (P,), of `robust`: never rises."""
        return np.mean(self.robust, axis=1)

    @property
    def intervals(self) -> list[tuple[float, float]]:
        """95 % Wilson intervals of `accuracy`."""
        return [wilson_interval(int(row.sum()), self.n) for row in self.robust]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row per value: what `write_curve` writes."""
        figures = zip(self.raw_accuracy, self.accuracy, self.intervals, strict=True)
        for value, (raw, worst, (low, high)) in zip(self.values, figures, strict=True):
            yield {
                self.parameter: value,
                "n": self.n,
                "raw_accuracy": float(raw),
                "accuracy": float(worst),
                "low": low,
                "high": high,
            }

    def to_dict(self) -> dict[str, Any]:
        """Figures and settings as JSON values."""
        return {
            "parameter": self.parameter,
            "clean_accuracy": self.clean_accuracy,
            "points": list(self.rows()),
            "attacks": list(self.attacks),
        }


def accuracy_curve(
    model_or_path,
    data,
    attack: Attack,
    *,
    epsilon: Sequence[float | str] | None = None,
    steps: Sequence[int] | None = None,
    restarts: Sequence[int] | None = None,
    state_dir: str | os.PathLike | None = None,
    **options,
) -> AccuracyCurve:
    """Evaluates one attack at several values of one of its parameters.

    Args:
        model_or_path, data: as in `evaluate_robustness`.
        attack: the attack; what is not varied stays as it is.
        epsilon: radii > 0, in input units or as "8/255". A step size that was given
            grows in proportion.
        steps: numbers of steps, for attacks that have `steps`; as are `restarts`.
        restarts: numbers of runs.
        state_dir: folder in which the work is kept, a folder for each value; the same
            call continues after an interruption.
        options: `limit`, `batch_size`, `seed`, `certify`, `verbose` of
            `evaluate_robustness`.

    Returns:
        An `AccuracyCurve`; the clean accuracy is in it.

    Raises:
        ValueError: not exactly one parameter, values that are equal or out of range, an
            attack without it, or what `evaluate_robustness` refuses.
    """
    given = {"epsilon": epsilon, "steps": steps, "restarts": restarts}
    parameter, values = _only(given)
    check_attack(attack)
    varied = _varied(attack, parameter, values)
    results = []
    for value, one in varied.items():
        folder = state_dir and Path(state_dir) / f"{parameter}_{value:g}"
        results.append(
            evaluate_robustness(model_or_path, data, one, state_dir=folder, **options)
        )
    return AccuracyCurve(
        parameter=parameter,
        values=tuple(varied),
        clean=results[0].clean,
        correct=np.stack([result.robust for result in results]),
        attacks=tuple(repr(one) for one in varied.values()),
    )


def write_curve(curve: AccuracyCurve, path: str | os.PathLike) -> None:
    """Writes a CSV file with one line per value."""
    write_rows(list(curve.rows()), path)


def write_rows(rows: Sequence[dict[str, Any]], path: str | os.PathLike) -> None:
    """Writes dictionaries of the same keys as the lines of a CSV file."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _only(given: dict[str, Any]) -> tuple[str, list]:
    """The one parameter that was given, and its values."""
    chosen = [name for name, values in given.items() if values is not None]
    if len(chosen) != 1:
        raise ValueError(
            f"`{PARAMETERS[0]}`, `steps` or `restarts` must be given, one of them. "
            f"Received: {' and '.join(chosen) or 'none'}. Pass epsilon=[0.1, 0.2, 0.3]."
        )
    (name,) = chosen
    values = given[name]
    if not isinstance(values, (list, tuple, range, np.ndarray)) or not len(values):
        example = "[0.1, 0.2, 0.3]" if name == "epsilon" else "[1, 10, 100]"
        raise ValueError(
            f"`{name}` must be a list of values. Received: {name}={values!r}. Pass "
            f"{name}={example}."
        )
    return name, list(values)


def _varied(attack: Attack, name: str, values: list) -> dict[float, Attack]:
    """The attack at each value, by rising values."""
    vary = _scaled if name == "epsilon" else _replaced
    made = dict(vary(attack, name, value) for value in values)
    if len(made) != len(values):
        raise ValueError(
            f"`{name}` must hold different values. Received: {name}={values!r}. Name "
            "each once."
        )
    return dict(sorted(made.items()))


def _scaled(attack: Attack, name: str, value) -> tuple[float, Attack]:
    own = _radius(attack, attack.threat_model.epsilon)
    radius = _radius(attack, value)
    return radius, attack.scaled(radius / own)


def _replaced(attack: Attack, name: str, value) -> tuple[float, Attack]:
    if name not in [field.name for field in dataclasses.fields(attack)]:  # type: ignore
        raise ValueError(
            f"`attack` must have {name} to vary. Received: {attack!r}. Pass "
            "attacks.PGD(...), or vary epsilon."
        )
    check_count(name, value, f"Pass {name}=[1, 10].")
    return int(value), dataclasses.replace(attack, **{name: int(value)})  # type: ignore


def _radius(attack: Attack, value) -> float:
    radius = attack.threat_model.length(value, "epsilon")
    if numbers(radius).ndim or not 0 < numbers(radius) < np.inf:
        raise ValueError(
            "`epsilon` must be a radius > 0 (one number, input units). Received: "
            f"epsilon={value!r}. At 0 there is no attack: see clean_accuracy."
        )
    return float(radius)
