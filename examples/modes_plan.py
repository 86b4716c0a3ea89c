"""What examples/modes.py measures, as results/plan.json says, and its data.

plan = read_plan("cpu")
partition = partition_of(modes=3, seed=0)   # digits of both superclasses
data = data_of(partition, plan)
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_mpat import datasets
from keras_mpat.choices import check_choice

PLAN = Path(__file__).resolve().parent.parent / "results" / "plan.json"
SCALES = ("smoke", "cpu")
DIGITS = 10
# What is smaller where the script is only to be tried.
_SMOKE: dict[str, Any] = {
    "modes": [2],
    "seeds": [0, 1],
    "data": {
        "train_examples": 256,
        "held_out": 160,
        "validation_examples": 32,
        "test_examples": 16,
    },
    "training": {
        "filters": [4, 8],
        "epochs": 1,
        "warmup_epochs": 1,
        "batch_size": 64,
        "steps": 2,
        "validation_steps": 2,
    },
    "tuning": {"head_weight": [0.5]},
    "attacks": {
        "adaptive_steps": 2,
        "thorough": {
            "seeds": [],
            "test_examples": 4,
            "auto_attack": "quick",
            "adaptive_steps": 3,
        },
    },
    "bootstrap": {"draws": 200},
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The numbers of the experiment, fixed before it is run.

    Attributes:
        modes: M, digits of a superclass, each from 1 to 5.
        seeds: of partition, weights, batch order and noise.
        data: `dataset`; `train_examples`, `validation_examples` and `test_examples` of
            a run; `held_out`, training images of all digits that validation is from.
        training: settings that all arms have, by flag name.
        merge_threshold: chord distance in which prototypes merge.
        tuning: `head_weight`, the values tried; `seed`, none of `seeds`.
        attacks: `auto_attack`, its version; `adaptive_steps`; `thorough`, the same for
            runs of its `seeds` once more, on the first `test_examples`.
        bootstrap: `draws`, `level` of the interval, `seed`.
    """

    modes: tuple[int, ...]
    seeds: tuple[int, ...]
    data: Mapping[str, Any]
    training: Mapping[str, Any]
    merge_threshold: float
    tuning: Mapping[str, Any]
    attacks: Mapping[str, Any]
    bootstrap: Mapping[str, Any]

    def __post_init__(self):
        most = DIGITS // 2
        if not self.modes or not all(1 <= count <= most for count in self.modes):
            raise ValueError(
                f"`modes` must be digits per superclass, from 1 to {most}. Received: "
                f"modes={list(self.modes)}. Correct {PLAN.name}, for example [1, 2]."
            )
        if not self.seeds or self.tuning["seed"] in self.seeds:
            raise ValueError(
                "`seeds` must not be empty, nor hold the seed of tuning, whose data "
                f"would be used twice. Received: seeds={list(self.seeds)}, tuning "
                f"seed={self.tuning['seed']}. Correct {PLAN.name}."
            )


@dataclass(frozen=True, eq=False)
class Split:
    """Some images of a partition.

    Attributes:
        x: float32 (N, 28, 28, 1) in [0, 1].
        superclass: int32 (N,), 0 or 1.
        mode: int32 (N,), place of the digit in the partition, 0 to 2M - 1.
    """

    x: np.ndarray
    superclass: np.ndarray
    mode: np.ndarray


@dataclass(frozen=True, eq=False)
class Data:
    """What one run sees: three `Split`s."""

    train: Split
    validation: Split
    test: Split


def read_plan(scale: str, *, limit: int | None = None, path=PLAN) -> Plan:
    """The plan, or what is left of it for a trial.

    Args:
        scale: "cpu" is the plan as it is written; "smoke" a trial of two minutes.
        limit: test images, >= 1; `None`: those of the plan.
        path: the file, whose key "modes" is read.

    Raises:
        ValueError: an unknown scale, a limit below 1, or a plan at odds with itself.
        FileNotFoundError: there is no plan.
    """
    check_choice("scale", scale, SCALES, "cpu is the whole plan.")
    if limit is not None and limit < 1:
        raise ValueError(
            f"`limit` must be at least 1 (test images). Received: limit={limit}. Leave "
            "it out for those of the plan."
        )
    values = json.loads(Path(path).read_text(encoding="utf-8"))["modes"]
    for name, smaller in _SMOKE.items() if scale == "smoke" else ():
        whole = isinstance(smaller, dict)
        values[name] = values[name] | smaller if whole else smaller
    if limit is not None:
        values["data"] |= {"test_examples": limit}
    names = Plan.__dataclass_fields__
    values = {name: values[name] for name in names}
    return Plan(**values | {n: tuple(values[n]) for n in ("modes", "seeds")})


def partition_of(modes: int, seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The digits of both superclasses, a function of the seed.

    Args:
        modes: M, digits of each, from 1 to 5.
        seed: >= 0.

    Returns:
        Two ascending tuples of M digits without a common one.
    """
    drawn = np.random.default_rng([seed, modes]).permutation(DIGITS)[: 2 * modes]
    first, second = np.sort(drawn.reshape(2, modes), axis=1).tolist()
    return tuple(first), tuple(second)


def data_of(partition, plan: Plan, *, data_dir: str | None = None) -> Data:
    """The images of a partition.

    The training images are equally many of each digit, in the order of the data set;
    where a digit has too few, its first ones come twice.

    Args:
        partition: from `partition_of`.
        plan: from `read_plan`.
        data_dir: folder of prepared data sets.

    Raises:
        FileNotFoundError: the data is not there.
    """
    sizes, name = plan.data, plan.data["dataset"]
    options = {"data_dir": data_dir, "validation": sizes["held_out"]}
    parts = {}
    for split in ("train", "validation", "test"):
        x, _, digits = _arrays(name, split, **options)
        if split == "train":
            rows = balanced_rows(digits, np.ravel(partition), sizes["train_examples"])
        else:
            rows = np.flatnonzero(np.isin(digits, np.ravel(partition)))
            rows = rows[: sizes[f"{split}_examples"]]
        parts[split] = _split(x[rows], digits[rows], partition)
    return Data(**parts)


def balanced_rows(digits: np.ndarray, chosen, count: int) -> np.ndarray:
    """Rows of `count` images, equally many of each chosen digit (to within one).

    Args:
        digits: int (N,).
        chosen: the digits that are wanted.
        count: rows in all, >= 1.

    Returns:
        int (count,), ascending; the first rows of a digit, and those again if it has
        too few.
    """
    rows = []
    for number, digit in enumerate(chosen):
        share = (count + number) // len(chosen)
        rows.append(np.resize(np.flatnonzero(digits == digit), share))
    return np.sort(np.concatenate(rows))


@functools.lru_cache(maxsize=3)
def _arrays(name: str, split: str, **options):
    return datasets.arrays(name, split, **options)


def _split(x: np.ndarray, digits: np.ndarray, partition) -> Split:
    place = np.full(DIGITS, -1, "int32")
    place[np.ravel(partition)] = np.arange(np.size(partition))
    mode = place[digits]
    return Split(x, mode // len(partition[0]), mode)
