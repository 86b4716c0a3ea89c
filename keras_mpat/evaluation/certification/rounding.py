"""Rounding outward: what float32 arithmetic may change, and boxes that allow for it.

Every bound must hold for the numbers that a classifier computes in float32, in any
order of its additions, and the bounds are computed in float32 themselves. A sum of n
products is wrong by at most ((1 + u)^n - 1) times the sum of their magnitudes, where
u = 2^-24; so magnitudes go along with the bounds.

References:
    Higham, Accuracy and Stability of Numerical Algorithms, section 3.1.
"""

import math
from dataclasses import dataclass
from typing import Any

from keras import ops

_UNIT = 2.0**-24
TINY = 1e-30  # absolute: covers underflow, also where small numbers are flushed to 0


def relative(operations: int) -> float:
    """Largest relative error after so many float32 operations."""
    return math.expm1(operations * _UNIT)


@dataclass(frozen=True)
class Box:
    """Bounds of the outputs of one layer.

    Attributes:
        low, high: float32 (B, ...).
        gain: (B, ...), largest sum of the magnitudes that an output is a sum of; the
            error of computing it is at most a multiple. `None`: it is no sum.
    """

    low: Any
    high: Any
    gain: Any = None

    def size(self):
        """Largest magnitude, (B, ...)."""
        return ops.maximum(ops.abs(self.low), ops.abs(self.high))

    def widened(self, slack):
        """The box with `slack` (B, ...) more on either side."""
        return Box(self.low - slack, self.high + slack, self.gain)


def total(magnitudes):
    """Sums (B, R) of magnitudes (B, R, ...), rounded up."""
    flat = flat_rows(magnitudes)
    return (1 + relative(flat.shape[-1] + 8)) * ops.sum(flat, axis=-1)


def flat_rows(rows):
    """(B, R, ...) as (B, R, D)."""
    return ops.reshape(rows, (*rows.shape[:2], -1))
