"""What `reproduce.py` runs: methods, attacks, scales, and the papers' tables of them.

A method is settings of train.py. A table is rows of methods and columns of attacks,
with the numbers that papers.py has beside them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import settings as run_settings

import keras_mpat as mpat
from keras_mpat import attacks
from keras_mpat.choices import check_choice

_MPAT = {"strategy": "pgd", "head": "soft_triple"}
_PLAIN = {"strategy": "pgd", "head": "none"}
STANDARD = "standard"  # transferred examples are made on it
BASELINE = "PGD-AT"  # what others are compared with
METHODS: dict[str, dict[str, Any]] = {
    STANDARD: {"strategy": "standard", "head": "none"},
    "Fast": {"strategy": "fast", "head": "none"},
    "Free": {"strategy": "free", "head": "none"},
    BASELINE: _PLAIN,
    "ALP": {"strategy": "logit_pairing", "head": "none"},
    "TLA": {**_PLAIN, "head": "triplet"},
    "TLA-RN": {**_PLAIN, "head": "triplet_random"},
    "TLA-SA": {**_PLAIN, "head": "triplet_switched"},
    "RoCL": {**_PLAIN, "pretrain": "rocl"},
    "ACL": {**_PLAIN, "pretrain": "acl"},
    "N-pair": {**_PLAIN, "head": "n_pair"},
    "Proxy-NCA": {**_PLAIN, "head": "proxy_nca"},
    "Proxy-Anchor": {**_PLAIN, "head": "proxy_anchor"},
    "MPAT": _MPAT,
    "MPAT, K = 1": {**_MPAT, "prototypes_per_class": 1},
    "MPAT (Fast)": {**_MPAT, "strategy": "fast"},
    "MPAT (Free)": {**_MPAT, "strategy": "free"},
    "MPAT + ACL": {**_MPAT, "pretrain": "acl"},
}
# Of the plot of costs: each way of finding examples, with a head, with averages.
EMA = 0.999
METHODS |= {
    "N-FGSM": {"strategy": "n_fgsm", "head": "none"},
    "MPAT (N-FGSM)": {**_MPAT, "strategy": "n_fgsm"},
    "TRADES": {"strategy": "trades", "head": "none"},
    "MPAT (TRADES)": {**_MPAT, "strategy": "trades"},
}
COSTS: dict[str, tuple[str, ...]] = {
    "Fast": ("Fast", "MPAT (Fast)"),
    "N-FGSM": ("N-FGSM", "MPAT (N-FGSM)"),
    "Free": ("Free", "MPAT (Free)"),
    "PGD": (BASELINE, "MPAT"),
    "TRADES": ("TRADES", "MPAT (TRADES)"),
}
for _group, _pair in COSTS.items():
    if _group != "Free":  # whose updates between input gradients an average would mix
        METHODS |= {f"{name} + EMA": {**METHODS[name], "ema": EMA} for name in _pair}
        COSTS[_group] += tuple(f"{name} + EMA" for name in _pair)
PAIRS = ("2/2", "2/3", "3/2", "3/3", "4/3", "3/4")
WEIGHTS = (2.0, 1.5, 1.0, 0.5, 0.1)
METHODS |= {
    f"MPAT, K = {pair}": {
        **_MPAT,
        "prototypes_per_class": [int(count) for count in pair.split("/")],
    }
    for pair in PAIRS
}
METHODS |= {
    f"MPAT, lambda_1 = {weight}": {**_MPAT, "head_weight": weight} for weight in WEIGHTS
}
METHODS |= {
    f"MPAT, K = {count}": {**_MPAT, "prototypes_per_class": count}
    for count in range(2, 11)
}


@dataclass(frozen=True)
class Table:
    """A table of a paper, in our form.

    Attributes:
        paper: its id in papers.py; `None`: no paper has such a table.
        datasets: ours by scale: pairs of (data set, that of the paper's numbers).
        rows: (method of ours, method in the paper), or (attack, row there).
        columns: (attack of ours or "clean", column in the paper or "").
        by_attack: the one method whose attacks are the rows, or `None`.
    """

    paper: str | None
    datasets: Mapping[str, tuple[tuple[str, str], ...]]
    rows: tuple[tuple[str, str | None], ...]
    columns: tuple[tuple[str, str], ...]
    by_attack: str | None = None

    @property
    def methods(self) -> list[str]:
        """Those that are trained for it."""
        return [self.by_attack] if self.by_attack else [row[0] for row in self.rows]


def _data(ours: str, *papers: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """On a CPU one data set, beside the first of the paper's; in full all of these."""
    small = ((ours, papers[0]),)
    return {"smoke": small, "cpu": small, "full": tuple((p, p) for p in papers)}


_TWO = (("clean", "clean"), ("PGD-10", "PGD10"))
_OTHERS = (("TLA", "TLA"), ("RoCL", "RoCL"), ("ACL", "ACL"))
_OURS = (("MPAT", "Ours (PGD)"), ("MPAT + ACL", "Ours (PGD) + ACL"))
_TLA = ("mnist", "cifar10", "tiny_imagenet")
TABLES: dict[str, Table] = {
    "mpat-1": Table(
        "mpat-1",
        _data("mnist", "cifar10"),
        (
            ("PGD-AT", "PGD-AT"),
            ("MPAT", "Ours (PGD)"),
            ("Free", "Free-AT"),
            ("MPAT (Free)", "Ours (Free)"),
            ("Fast", "Fast-AT"),
            ("MPAT (Fast)", "Ours (Fast)"),
        ),
        (
            ("clean", "clean"),
            ("FGSM", "FGSM"),
            ("PGD-10", "PGD10"),
            ("PGD-20", "PGD20"),
        ),
    ),
    "mpat-2": Table(
        "mpat-2",
        _data("mnist", "mnist", "cifar10", "cifar100"),
        (
            ("Fast", "Fast"),
            ("Free", "Free"),
            ("PGD-AT", "PGD-AT"),
            *_OTHERS,
            ("MPAT, K = 1", "Ours (PGD) single mode"),
            *_OURS,
        ),
        _TWO,
    ),
    "mpat-3": Table(
        "mpat-3",
        _data("mnist_2", "cifar10_2", "cifar100_10", "tiny_imagenet"),
        (
            ("Fast", "Fast-AT"),
            ("Free", "Free"),
            ("PGD-AT", "PGD-AT"),
            *_OTHERS,
            ("MPAT, K = 1", None),
            *_OURS,
        ),
        _TWO,
    ),
    "mpat-4": Table(
        "mpat-4",
        {
            "smoke": (("mnist_2", "cifar10_2"),),
            "cpu": (("mnist", "cifar10"), ("mnist_2", "cifar10_2")),
            "full": (("cifar10", "cifar10"), ("cifar10_2", "cifar10_2")),
        },
        (*_OTHERS, *_OURS),
        (
            ("clean", "clean"),
            ("FGSM", "FGSM"),
            ("BIM-7", "BIM7"),
            ("PGD-10", "PGD10"),
            ("CW-40", "CW"),
        ),
    ),
    "mpat-5": Table(
        "mpat-5",
        _data("mnist_2", "cifar10_2", "cifar100_10"),
        (
            ("PGD-10", "untargeted"),
            ("PGD-10, least likely", "targeted (least likely)"),
            ("PGD-10, next label", "targeted (next label)"),
            ("PGD-10, random label", "targeted (random)"),
        ),
        (("PGD-10", "PGD10"),),
        by_attack="MPAT + ACL",
    ),
    "mpat-6": Table(
        "mpat-6",
        _data("mnist_2", "cifar10_2"),
        (
            ("PGD-AT", None),
            ("TLA", "Triplet loss"),
            ("N-pair", "N-Pair loss"),
            ("Proxy-NCA", "Proxy-NCA"),
            ("Proxy-Anchor", "Proxy-Anchor"),
            ("MPAT", None),
            ("MPAT + ACL", "Ours (PGD) + ACL"),
        ),
        (("clean", "clean"), ("FGSM", "FGSM"), ("PGD-10", "PGD10")),
    ),
    "mpat-7": Table(
        "mpat-7",
        _data("mnist_2", "cifar10_2"),
        tuple((f"MPAT, K = {pair}", pair) for pair in PAIRS),
        _TWO,
    ),
    "mpat-8": Table(
        "mpat-8",
        _data("mnist_2", "cifar10_2", "cifar10"),
        tuple((f"MPAT, lambda_1 = {w}", f"lambda_1 = {w}") for w in WEIGHTS),
        (("PGD-10", "PGD10"),),
    ),
    "mpat-fig3": Table(
        "mpat-fig3",
        _data("mnist_2", "cifar10_2"),
        tuple((f"MPAT, K = {count}", None) for count in range(1, 11)),
        _TWO,
    ),
    "tla-1": Table(
        "tla-1",
        _data(*_TLA[:1], *_TLA),
        (
            (STANDARD, "UM"),
            ("PGD-AT", "AT"),
            ("ALP", "ALP"),
            ("TLA-RN", "TLA-RN"),
            ("TLA-SA", "TLA-SA"),
            ("TLA", "TLA"),
            ("MPAT", None),
        ),
        (
            ("clean", "clean"),
            ("FGSM", "FGSM"),
            ("BIM-40", "BIM"),
            ("CW-40", "C&W"),
            ("PGD-40", "PGD, fewer steps"),
            ("PGD-100", "PGD, more steps"),
            ("20 x PGD-100", "20PGD"),
            ("MIM-40", "MIM"),
            ("transfer", "BB"),
        ),
    ),
    "tla-poster": Table(
        None,
        _data(*_TLA[:1], *_TLA[:2]),
        (("PGD-AT", None), ("ALP", None), ("TLA", None)),
        (("clean", ""), ("20 x PGD-100", "")),
    ),
    "cost": Table(
        None,
        {
            "smoke": (("mnist", ""),),
            "cpu": (("mnist", ""),),
            "full": (("mnist", ""), ("cifar10", "")),
        },
        tuple((name, None) for names in COSTS.values() for name in names),
        (("clean", ""), ("PGD-10", "")),
    ),
}


@dataclass(frozen=True)
class Scale:
    """How large the runs are.

    Attributes:
        settings: of train.py, for all methods; they win over those of a method.
        limit: first test images of the attacks; `None`: all.
        restarted: those of 20 x PGD-100.
        hard: those of AutoAttack.
    """

    settings: Mapping[str, Any]
    limit: int | None
    restarted: int
    hard: int


_NET = {"regularizer": "none", "schedule": "cyclic", "learning_rate": 0.1}
SCALES: dict[str, Scale] = {
    "smoke": Scale(
        {
            **_NET,
            "filters": [2, 4],
            "epochs": 1,
            "train_examples": 256,
            "validation_examples": 32,
            "warmup_epochs": 0,
            "pretrain_epochs": 1,
            "pretrain_batch_size": 128,
        },
        limit=16,
        restarted=8,
        hard=8,
    ),
    # All 60 000 images, a net of the size of Wong et al.'s.
    "cpu": Scale(
        {
            **_NET,
            "filters": [16, 32],
            "epochs": 6,
            "warmup_epochs": 1,
            "pretrain_epochs": 6,
        },
        limit=2000,
        restarted=1000,
        hard=1000,
    ),
    "full": Scale({}, limit=None, restarted=1000, hard=10_000),
}


def resolve(dataset: str, method: str, seed: int, scale: str) -> run_settings.Settings:
    """The settings of one training.

    Raises:
        ValueError: an unknown method or scale.
    """
    check_choice("method", method, METHODS)
    check_choice("scale", scale, SCALES)
    given = METHODS[method] | {"dataset": dataset, "seed": seed}
    own = dict(SCALES[scale].settings)
    if given["strategy"] == "standard":
        own.pop("warmup_epochs", None)
    if "pretrain" not in given:
        own = {n: v for n, v in own.items() if not n.startswith("pretrain")}
    if given["strategy"] == "free" and "epochs" in own:  # as published: per replay
        own["epochs"] = math.ceil(
            own["epochs"] / run_settings.DEFAULTS[dataset].replays
        )
    if not dataset.startswith(("mnist", "digits")):
        own.pop("filters", None)
    return run_settings.resolve(given | own)


def white_box(ball: mpat.Linf) -> dict[str, attacks.Attack]:
    """The attacks of the columns by name.

    Their steps are 2.5 epsilon / steps, MIM's epsilon / steps: the papers' own reach a
    third of MNIST's ball, or are not stated.
    """
    targets = {
        "least likely": attacks.LeastLikely(),
        "next label": attacks.NextLabel(),
        "random label": attacks.RandomLabel(),
    }
    pgd = {
        f"PGD-{steps}": attacks.PGD(ball, steps=steps) for steps in (10, 20, 40, 100)
    }
    aimed = {
        f"PGD-10, {name}": attacks.PGD(ball, steps=10, target=target)
        for name, target in targets.items()
    }
    return {
        "FGSM": attacks.FGSM(ball),
        "BIM-7": attacks.BIM(ball, steps=7),
        "BIM-40": attacks.BIM(ball, steps=40),
        **pgd,
        "CW-40": attacks.CW(ball, steps=40),
        "MIM-40": attacks.MIM(ball, steps=40),
        **aimed,
    }
