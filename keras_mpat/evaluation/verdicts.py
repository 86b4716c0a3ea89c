"""What is said of an adversarial example: where it lies, and how it is classified."""

import numpy as np
from keras import ops

from keras_mpat.attacks import Attack
from keras_mpat.objectives import Margin

_TOLERANCE = 1e-6  # of the width of the box


def answer(y, logits):
    """The class predicted, and the lead of the best wrong class; of NaN: infinity."""
    lead = Margin(kappa=None)(y, logits)
    lead = ops.where(ops.isnan(lead), float("inf"), lead)
    return ops.argmax(logits, axis=-1), lead


def tolerance(threat_model) -> float:
    """By how much rounding may leave the ball, in input units."""
    low, high = (np.asarray(bound, "float64") for bound in threat_model.bounds)
    return _TOLERANCE * float(np.max(high - low))


def check_example(found, inside, attack: Attack) -> None:
    """Raises if an attack left the ball or the box.

    Args:
        found: what it returned, (B, ...).
        inside: the same, projected.
        attack: whose it is.
    """
    found, inside = ops.convert_to_numpy(found), ops.convert_to_numpy(inside)
    outside = np.abs(found.astype("float64") - inside).max()
    if not outside <= tolerance(attack.threat_model):  # NaN, too
        raise ValueError(
            "`attacks` must return finite examples in the ball and the box. Received: "
            f"{attack!r}, whose examples are {outside:.2g} outside (input units). End "
            "its search with threat_model.project(x_adv, x)."
        )
