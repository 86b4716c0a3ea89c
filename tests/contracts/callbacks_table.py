"""Every callback: one row each, built on a probe (x, y). A new callback is one row."""

from keras_mpat import callbacks

CALLBACKS = {
    "guard-warn": lambda x, y: callbacks.CatastrophicOverfittingGuard(x, y),
    "guard-roll_back-every": lambda x, y: callbacks.CatastrophicOverfittingGuard(
        x, y, action="roll_back", drop=0.9, every=1
    ),
}
# What the callback adds to the logs of an epoch.
LOGS = {
    "guard-warn": {"probe_robust_accuracy", "probe_fgsm_accuracy"},
    "guard-roll_back-every": {"probe_robust_accuracy", "probe_fgsm_accuracy"},
}
