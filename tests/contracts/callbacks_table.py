"""Every callback: one row each, built on a probe (x, y). A new callback is one row."""

import tempfile

from keras_mpat import Linf, callbacks
from keras_mpat.attacks import FGSM

CALLBACKS = {
    "guard-warn": lambda x, y: callbacks.CatastrophicOverfittingGuard(x, y),
    "guard-roll_back-every": lambda x, y: callbacks.CatastrophicOverfittingGuard(
        x, y, action="roll_back", drop=0.9, every=1
    ),
    "merging-of_nothing": lambda x, y: callbacks.PrototypeMerging(
        threshold=0.0, start_epoch=0
    ),
    "merging-postponed": lambda x, y: callbacks.PrototypeMerging(start_epoch=99),
    "board": lambda x, y: callbacks.AdversarialBoard(
        tempfile.mkdtemp(), x, y, attack=FGSM(Linf(0.1)), every=1
    ),
}
_PROTOTYPES = {
    "prototypes_min",
    "prototypes_mean",
    "prototypes_per_class_0",
    "prototypes_per_class_1",
}
# What the callback adds to the logs of an epoch.
LOGS = {
    "guard-warn": {"probe_robust_accuracy", "probe_fgsm_accuracy"},
    "guard-roll_back-every": {"probe_robust_accuracy", "probe_fgsm_accuracy"},
    "merging-of_nothing": _PROTOTYPES,
    "merging-postponed": _PROTOTYPES,
    "board": set(),
}
