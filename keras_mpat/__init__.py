"""Robust Keras classifiers: adversarial training with metric learning, in `fit`.

    import keras, keras_mpat as mpat

    model = mpat.AdversarialModel(
        mpat.models.lenet(num_classes=10),
        strategy=mpat.training.PGDTraining(mpat.Linf(0.3), steps=7),
        head=mpat.SoftTripleHead(10, prototypes_per_class=5),
    )
    model.compile(optimizer="adam", metrics=["accuracy"])
    model.fit(x, y, epochs=10)
    model.classifier.save("robust.keras")

Five words carry the package: a `ThreatModel` (what the adversary may do), an `Attack`
(how it searches), a `Strategy` (how a batch becomes an update), a head (what the latent
space is asked to be), and `AdversarialModel`, which connects them.
"""

import importlib

from keras_mpat import (
    attacks,
    callbacks,
    layers,
    losses,
    metrics,
    models,
    noise,
    objectives,
    schedules,
    training,
)
from keras_mpat.layers import (
    NPairHead,
    ProxyAnchorHead,
    ProxyNCAHead,
    SoftTripleHead,
    TripletHead,
)
from keras_mpat.memory import keep_memory
from keras_mpat.models import AdversarialModel, replace_head
from keras_mpat.threat_models import L2, Linf, ThreatModel
from keras_mpat.version import __version__

__all__ = [
    "L2",
    "AdversarialModel",
    "Linf",
    "NPairHead",
    "ProxyAnchorHead",
    "ProxyNCAHead",
    "SoftTripleHead",
    "ThreatModel",
    "TripletHead",
    "__version__",
    "attacks",
    "callbacks",
    "datasets",
    "evaluation",
    "interop",
    "keep_memory",
    "layers",
    "losses",
    "metrics",
    "models",
    "noise",
    "objectives",
    "pretraining",
    "replace_head",
    "schedules",
    "training",
    "tuning",
]


def __getattr__(name: str):
    """Loads the units that training does not need when they are first used."""
    if name in ("datasets", "evaluation", "interop", "pretraining", "tuning"):
        return importlib.import_module(f"keras_mpat.{name}")
    raise AttributeError(f"module 'keras_mpat' has no attribute {name!r}")
