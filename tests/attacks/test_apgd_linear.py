"""APGD on linear classifiers, where the worst case is known exactly."""

import numpy as np
import pytest

from keras_mpat.attacks import APGD
from keras_mpat.objectives import DLR, CrossEntropy, Margin
from keras_mpat.threat_models import L2, Linf
from tests.linear import away_from_the_box, ball_of, flags_of, problem

UNCLIPPED = Margin(kappa=None)
ATTACKS = {
    "ce": {"objective": CrossEntropy(), "restarts": 4},
    "margin": {"objective": UNCLIPPED, "restarts": 4},
    "margin toward each": {"objective": UNCLIPPED, "target_classes": "all"},
    "dlr": {"objective": DLR(), "restarts": 4},
    "dlr toward each": {"objective": DLR(), "target_classes": "all"},
}
NEEDS = {"dlr": 3, "dlr toward each": 4}
CASES = [
    (name, num_classes)
    for name in ATTACKS
    for num_classes in (2, 3, 4, 8)
    if num_classes >= NEEDS.get(name, 2)
]
EVERY = pytest.mark.parametrize(
    ("name", "num_classes"),
    [
        pytest.param(
            name,
            count,
            marks=[] if count in (2, 4) else [pytest.mark.slow],
            id=f"{name}-{count}",
        )
        for name, count in CASES
    ],
)


def _check(name, num_classes, flags, vulnerable):
    """Exact where the objective is linear: toward one class, or with two classes.

    Cross-entropy and DLR of several classes have other maxima than the lead of the best
    wrong class, and untargeted ascent may end at a lower one: then it must be sound.
    """
    if name.endswith("each") or num_classes == 2:
        np.testing.assert_array_equal(flags, vulnerable)
    assert not np.any(flags & ~vulnerable)
    assert np.sum(flags) >= 0.7 * np.sum(vulnerable)


@EVERY
def test_verdicts_in_the_box_are_exact_for_every_example(name, num_classes):
    given = problem(num_classes)
    ball, vulnerable = ball_of(Linf, given)
    flags = flags_of(APGD(ball, steps=30, **ATTACKS[name]), *given)
    _check(name, num_classes, flags, vulnerable)


@EVERY
def test_verdicts_in_the_euclidean_ball_are_exact_for_every_example(name, num_classes):
    given = away_from_the_box(num_classes)
    ball, vulnerable = ball_of(L2, given)
    flags = flags_of(APGD(ball, steps=40, **ATTACKS[name]), *given)
    _check(name, num_classes, flags, vulnerable)


@pytest.mark.parametrize("norm", [Linf, pytest.param(L2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["margin toward each", "dlr", "dlr toward each"])
def test_scale_and_shift_of_the_logits_change_no_verdict(norm, name):
    given = problem(4)
    ball, _ = ball_of(norm, given)
    attack = APGD(ball, steps=20, **ATTACKS[name])
    flags = flags_of(attack, *given)
    assert 0.2 < flags.mean() < 0.8
    for scale, shift in ((1e-3, 50.0), (1e3, -7.0)):
        other = flags_of(attack, *given, scale=scale, shift=shift)
        np.testing.assert_array_equal(other, flags)
