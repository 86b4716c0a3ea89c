"""What can be searched: the hyper-parameters by name, their usual ranges and limits.

    dimension = DIMENSIONS["head_weight"]      # lambda_1: 0.1 to 2, logarithmic
    Range(0.1, 2, sampling="log")              # what a search draws from

Names are those of `keras_mpat` and of `examples/train.py`.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from keras_mpat.choices import check_choice

SAMPLINGS = ("linear", "log")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Attributes:
        low: the smallest.
        high: the largest, above `low`.
        sampling: "linear", or "log": equal shares for equal factors; low > 0.
        per_class: one number for each class, for `prototypes_per_class` only.

    Raises:
        ValueError: numbers that are not finite, an empty range, or 0 with "log".
    """

    low: float
    high: float
    sampling: str = "linear"
    per_class: bool = False

    def __post_init__(self):
        check_choice("sampling", self.sampling, SAMPLINGS)
        number = (int, float)
        fine = all(
            isinstance(end, number) and not isinstance(end, bool) and math.isfinite(end)
            for end in (self.low, self.high)
        )
        if not fine or not self.low < self.high:
            raise ValueError(
                "`low` and `high` must be numbers with low < high. Received: "
                f"low={self.low!r}, high={self.high!r}. Pass one value, not a range, "
                "for what is not to be searched."
            )
        if self.sampling == "log" and self.low <= 0:
            raise ValueError(
                "`low` must be > 0 with sampling='log'. Received: "
                f"low={self.low!r}. Pass sampling='linear', or a small positive low."
            )


_PGD = ("pgd", "logit_pairing", "trades", "feature_scattering")
_ADVERSARIAL = (*_PGD, "fast", "free", "atld")
HEADS = (
    "soft_triple",
    "triplet",
    "triplet_random",
    "triplet_switched",
    "n_pair",
    "proxy_nca",
    "proxy_anchor",
    "none",
)
STRATEGIES = ("pgd", "fast", "free", *_PGD[1:], "atld", "standard")
# Which values of another hyper-parameter use one, and what that one is by default.
PARENTS = {"strategy": "pgd", "head": "soft_triple", "regularizer": "weights"}


@dataclass(frozen=True)
class Dimension:
    """A hyper-parameter.

    Attributes:
        meaning: for tables.
        kind: `float`, `int` or `str`.
        usual: the range that is searched if no other is given.
        minimum, above: the smallest value; `above`: it is itself excluded.
        needs: (another hyper-parameter, its values with which this one matters).
    """

    meaning: str
    kind: type
    usual: Any
    minimum: float = 0.0
    above: bool = True
    needs: tuple[str, tuple[str, ...]] | None = field(default=None)


_SOFT_TRIPLE = ("head", ("soft_triple",))
DIMENSIONS = {
    "strategy": Dimension("strategy", str, STRATEGIES[:3]),
    "head": Dimension("head", str, HEADS),
    "regularizer": Dimension("L_norm", str, ("weights", "features", "none")),
    "head_weight": Dimension(
        "lambda_1",
        float,
        Range(0.1, 2.0, "log"),
        above=False,
        needs=("head", HEADS[:-1]),
    ),
    "prototypes_per_class": Dimension(
        "prototypes per class, K",
        int,
        Range(1, 20),
        minimum=1,
        above=False,
        needs=_SOFT_TRIPLE,
    ),
    "tau": Dimension(
        "weight of the pull between prototypes",
        float,
        Range(0.02, 1.0, "log"),
        above=False,
        needs=_SOFT_TRIPLE,
    ),
    "gamma": Dimension(
        "temperature over prototypes",
        float,
        Range(0.02, 0.5, "log"),
        needs=_SOFT_TRIPLE,
    ),
    "scale": Dimension("scale", float, Range(5.0, 30.0), needs=_SOFT_TRIPLE),
    "margin": Dimension("margin", float, Range(0.003, 0.3, "log"), needs=_SOFT_TRIPLE),
    "merge_threshold": Dimension(
        "chord distance of merging",
        float,
        Range(0.05, 0.5, "log"),
        above=False,
        needs=_SOFT_TRIPLE,
    ),
    "regularizer_weight": Dimension(
        "lambda_2",
        float,
        Range(1e-5, 1e-2, "log"),
        above=False,
        needs=("regularizer", ("weights", "features")),
    ),
    "learning_rate": Dimension("learning rate", float, Range(0.01, 0.5, "log")),
    "steps": Dimension(
        "attack steps",
        int,
        Range(2, 10),
        minimum=1,
        above=False,
        needs=("strategy", _PGD),
    ),
    "beta": Dimension(
        "factor on the divergence",
        float,
        Range(1.0, 10.0),
        above=False,
        needs=("strategy", ("trades",)),
    ),
    "replays": Dimension(
        "replays of a batch",
        int,
        Range(2, 8),
        minimum=1,
        above=False,
        needs=("strategy", ("free",)),
    ),
    "step_size": Dimension(
        "attack step, in pixels",
        float,
        Range(0.002, 0.2, "log"),
        needs=("strategy", (*_PGD, "fast")),
    ),
    "warmup_epochs": Dimension(
        "epochs of growing epsilon",
        int,
        Range(0, 5),
        above=False,
        needs=("strategy", _ADVERSARIAL),
    ),
}
