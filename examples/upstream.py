"""The AutoAttack for torch that is installed here, behind one function.

The original is the package `autoattack`; its home is github.com/fra31/auto-attack, and
no registry has it. Of `torchattacks` the four parts are taken one by one with the
published settings: its own AutoAttack takes 10 steps where 100 are published, and
another schedule of Square.
"""

import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ORIGINAL = "fra31/auto-attack"
MISSING = (
    "AutoAttack for torch must be installed to verify verdicts with it. Received: "
    "neither `autoattack` nor `torchattacks`. Install the original with pip install "
    f"git+https://github.com/{ORIGINAL}, or pip install --no-deps torchattacks."
)
_STEPS, _QUERIES, _TARGETS = 100, 5000, 9


@dataclass(frozen=True)
class Upstream:
    """An implementation of AutoAttack (standard) for torch.

    Attributes:
        name: package, version and settings, in words.
        attack: called as attack(module, x, y, norm, epsilon, classes, seed, batch_size)
            with x (N, C_in, H, W) in [0, 1]; returns x_adv.
    """

    name: str
    attack: Callable[..., Any]


def find() -> Upstream:
    """The original, else torchattacks.

    Raises:
        ImportError: neither is installed.
    """
    if _is_original():
        version = importlib.metadata.version("autoattack")
        return Upstream(f"autoattack {version} ({ORIGINAL})", _original)
    if importlib.util.find_spec("torchattacks") is not None:
        version = importlib.metadata.version("torchattacks")
        name = f"torchattacks {version}, its parts with the published settings"
        return Upstream(name, _torchattacks)
    raise ImportError(MISSING)


def _is_original() -> bool:
    """Whether `autoattack` is there and says that it is the authors' package."""
    try:
        said = importlib.metadata.metadata("autoattack")
    except importlib.metadata.PackageNotFoundError:
        return False
    homes = [said.get("Home-page") or "", *(said.get_all("Project-URL") or [])]
    return any(ORIGINAL in home for home in homes)


def _original(module, x, y, norm, epsilon, classes, seed, batch_size):
    from autoattack import AutoAttack

    options = {"norm": norm, "eps": epsilon, "seed": seed, "device": "cpu"}
    attack = AutoAttack(module, version="standard", verbose=False, **options)
    # With fewer than ten classes its default of nine targets ends in an IndexError.
    attack.apgd_targeted.n_target_classes = min(_TARGETS, classes - 1)
    attack.fab.n_target_classes = min(_TARGETS, classes - 1)
    return attack.run_standard_evaluation(x, y, bs=batch_size)


def _torchattacks(module, x, y, norm, epsilon, classes, seed, batch_size):
    import torch

    attack = published(module, norm, epsilon, classes, seed)
    batches = zip(x.split(batch_size), y.split(batch_size), strict=True)
    return torch.cat([attack(*batch) for batch in batches])


def published(module, norm: str, epsilon: float, classes: int, seed: int):
    """AutoAttack's standard version out of torchattacks' parts, 100 steps each."""
    import torchattacks

    ball: dict[str, Any] = {"eps": epsilon, "norm": norm, "seed": seed}
    steps = ball | {"steps": _STEPS}
    targets = {"n_classes": min(_TARGETS + 1, classes)}
    return torchattacks.MultiAttack(
        [
            torchattacks.APGD(module, loss="ce", **steps),
            torchattacks.APGDT(module, **targets, **steps),
            torchattacks.FAB(module, multi_targeted=True, **targets, **steps),
            torchattacks.Square(
                module, n_queries=_QUERIES, resc_schedule=False, **ball
            ),
        ]
    )
