"""The heads by their names on the command line."""

from collections.abc import Callable
from typing import Any

import keras_mpat as mpat

KNOBS = ("tau", "gamma", "scale", "margin")  # of the SoftTriple head
HEADS: dict[str, Callable[[int, Any], mpat.layers.Head | None]] = {
    "soft_triple": lambda classes, settings: _soft_triple(classes, settings),
    "proxy_nca": lambda classes, settings: mpat.ProxyNCAHead(classes),
    "proxy_anchor": lambda classes, settings: mpat.ProxyAnchorHead(classes),
    "triplet": lambda classes, settings: _triplet(settings),
    "triplet_random": lambda classes, settings: _triplet(settings, negatives="random"),
    "triplet_switched": lambda classes, settings: _triplet(settings, anchor="clean"),
    "n_pair": lambda classes, settings: mpat.NPairHead(seed=settings.seed),
    "none": lambda classes, settings: None,
}


def build_head(settings, num_classes: int) -> mpat.layers.Head | None:
    """The head that `settings` names; its margins are those of the papers."""
    return HEADS[settings.head](num_classes, settings)


def _soft_triple(classes: int, settings) -> mpat.SoftTripleHead:
    given = {name: getattr(settings, name) for name in KNOBS}  # None: as published
    given = {name: value for name, value in given.items() if value is not None}
    prototypes = settings.prototypes_per_class
    return mpat.SoftTripleHead(classes, prototypes_per_class=prototypes, **given)


def _triplet(settings, **variant) -> mpat.TripletHead:
    published = {"margin": 0.03, "norm_weight": 1e-3}  # TLA, CIFAR-10
    if settings.model.startswith("lenet"):
        published = {"margin": 0.05, "norm_weight": 1e-4}  # TLA, MNIST
    return mpat.TripletHead(seed=settings.seed, **published, **variant)
