"""Whether attacks take more where they are allowed more: all, without a limit."""

import dataclasses

import numpy as np
from keras import ops

from keras_mpat.attacks import APGD, CW
from keras_mpat.attacks.hyperplane import relative_distance
from keras_mpat.attacks.worst_case import WorstCase
from keras_mpat.evaluation.checks.check import (
    ERROR,
    Check,
    Finding,
    NotApplicable,
    NotRun,
    within,
)
from keras_mpat.evaluation.checks.check import percent as share
from keras_mpat.threat_models import Linf

_SLACK = 0.001  # of the examples, at least one


def in_epsilon(subject) -> Finding:
    """C11."""
    ball = _not_a_point(subject.threat_model)
    grid = [_left(subject, ball.scaled(factor)) for factor in (0.0, 0.25, 0.5, 1.0)]
    falls = all(
        within(after - before, _SLACK, subject.n)
        for before, after in zip(grid, grid[1:], strict=False)
    )
    figures = ", ".join(share(value) for value in grid)
    if not _all_move(ball):
        return Finding(falls, f"{figures}; some features are fixed")
    half, whole = (_left(subject, _across(subject, part)) for part in (0.5, 1.0))
    limit = 1 / subject.num_classes + 0.02
    text = f"{figures}; half of the range {share(half)}, all of it {share(whole)}"
    return Finding(falls and half <= limit and whole == 0, text + subject.route.words)


def unbounded(subject) -> Finding:
    """C24."""
    if not _all_move(_not_a_point(subject.threat_model)):
        raise NotApplicable("some features are fixed: no ball is the whole box")
    whole = _left(subject, _across(subject, 1.0))
    text = f"{share(whole)} are right in the whole box{subject.route.words}"
    return Finding(whole == 0, text)


def _not_a_point(ball):
    if not np.any(np.asarray(ball.radius) > 0):
        raise NotRun("needs an epsilon above 0")
    return ball


def _all_move(ball) -> bool:
    mutable = True if ball.mutable is None else np.asarray(ball.mutable, "bool")
    return bool(np.all(np.asarray(ball.radius) > 0) and np.all(mutable))


def _across(subject, part: float):
    """The ball that reaches this part of the way across the box."""
    ball, part = subject.threat_model, (1 - 1e-6) * part  # all of it is refused
    low, high = (np.asarray(bound, "float64") for bound in ball.bounds)
    if isinstance(ball, Linf):  # in each feature, whatever its epsilon
        return dataclasses.replace(ball, epsilon=part * (high - low))
    one = np.zeros((1, *subject.x.shape[1:]))
    ends = (ops.convert_to_tensor((one + end).astype("float32")) for end in (high, low))
    reach = float(ops.convert_to_numpy(relative_distance(ball, *ends))[0])
    return ball.scaled(part * reach / np.max(np.asarray(ball.radius)))


def _left(subject, ball) -> float:
    attack = WorstCase([APGD(ball, steps=50), CW(ball, steps=50)])
    return float(np.mean(subject.robust(attack)))


CHECKS = (
    Check(
        "C11",
        "accuracy falls with epsilon, to chance and to 0",
        ERROR,
        "falls; at half of the range at most chance + 2 points; in the whole box 0",
        "An attack without limits must win: its gradients do not lead anywhere.",
        in_epsilon,
    ),
    Check(
        "C24",
        "an unbounded attack wins always (Pintor I6)",
        ERROR,
        "no example is right in the whole box",
        "Gradients are masked: attack the part behind what masks them.",
        unbounded,
    ),
)
