"""The checks of an audit, one file per question; `CHECKS` has them all in order.

`check.py` says what a check is, `subject.py` what it measures on. A new check is a
function and an entry in the `CHECKS` of its file.
"""

from keras_mpat.evaluation.checks import (
    adaptive,
    budget,
    convergence,
    gradients,
    outputs,
    protocol,
    rivals,
    seeds,
    threat,
)
from keras_mpat.evaluation.checks.check import (
    Answer,
    Check,
    Finding,
    NotApplicable,
    NotRun,
)
from keras_mpat.evaluation.checks.subject import Subject

_FILES = (
    outputs,
    threat,
    gradients,
    convergence,
    budget,
    rivals,
    adaptive,
    protocol,
    seeds,
)
CHECKS: tuple[Check, ...] = tuple(
    sorted(
        (check for file in _FILES for check in file.CHECKS),
        key=lambda check: check.number,
    )
)

__all__ = ["CHECKS", "Answer", "Check", "Subject", "Finding", "NotApplicable", "NotRun"]
