"""What is said of an adversarial example: where it lies, and how it is classified."""

import numpy as np
from keras import ops

from keras_mpat.attacks import Attack
from keras_mpat.objectives import Margin

TOLERANCE = 1e-6  # of the width of the box, by which rounding may leave the ball


def answer(y, logits):
    """The class predicted, and the lead of the best wrong class; of NaN: infinity."""
    lead = Margin(kappa=None)(y, logits)
    lead = ops.where(ops.isnan(lead), float("inf"), lead)
    return ops.argmax(logits, axis=-1), lead


def check_example(found, inside, attack: Attack) -> None:
    """Raises if an attack left the ball or the box.

    Args:
        found: what it returned, (B, ...).
        inside: the same, projected.
        attack: whose it is.
    """
    found, inside = ops.convert_to_numpy(found), ops.convert_to_numpy(inside)
    low, high = attack.threat_model.bounds
    width = float(np.max(np.asarray(high, "float64") - np.asarray(low, "float64")))
    outside = np.abs(found.astype("float64") - inside).max()
    if not outside <= TOLERANCE * width:  # NaN, too
        raise ValueError(
            "`attacks` must return finite examples in the ball and the box. Received: "
            f"{attack!r}, whose examples are {outside:.2g} outside (input units). End "
            "its search with threat_model.project(x_adv, x)."
        )
