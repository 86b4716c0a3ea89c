"""The attacks of the strict suite on linear classifiers, the worst case known."""

import numpy as np
import pytest

from keras_mpat.attacks import (
    FMN,
    ConstraintRelaxation,
    MarginDecomposition,
    MultiTargeted,
)
from keras_mpat.threat_models import L2, Linf
from tests.linear import away_from_the_box, ball_of, flags_of, problem

ATTACKS = {
    "MultiTargeted": lambda ball: MultiTargeted(ball, steps=20, target_classes="all"),
    "MultiTargeted untargeted": lambda ball: MultiTargeted(
        ball, steps=20, restarts=3, target_classes=None
    ),
    "MarginDecomposition": lambda ball: MarginDecomposition(ball, steps=40, restarts=2),
    "ConstraintRelaxation": lambda ball: ConstraintRelaxation(ball, cycles=2, steps=24),
    "FMN": lambda ball: FMN(ball, steps=20, target_classes="all"),
}


def _is_exact(name, num_classes):
    """Whether each wrong class is aimed at, by a linear function."""
    aims = {"MultiTargeted": 7, "FMN": 7, "ConstraintRelaxation": 2}.get(name, 1)
    return num_classes - 1 <= aims


def _some_slow():
    """Norm, name, classes; most of the time of each is the making of its graph."""
    for norm in (Linf, L2):
        for num_classes in (2, 3, 4, 8):
            for name in ATTACKS:
                quick = (norm, num_classes) in ((Linf, 3), (L2, 2))
                marks = [] if quick else [pytest.mark.slow]
                yield pytest.param(norm, name, num_classes, marks=marks)


def _given(norm, num_classes):
    return {Linf: problem, L2: away_from_the_box}[norm](num_classes)


@pytest.mark.parametrize(("norm", "name", "num_classes"), list(_some_slow()))
def test_verdicts_are_sound_and_exact_where_the_objective_is_linear(
    norm, name, num_classes
):
    given = _given(norm, num_classes)
    ball, vulnerable = ball_of(norm, given)
    flags = flags_of(ATTACKS[name](ball), *given)
    assert not np.any(flags & ~vulnerable)
    if _is_exact(name, num_classes):
        np.testing.assert_array_equal(flags, vulnerable)
    assert np.sum(flags) >= 0.7 * np.sum(vulnerable)


@pytest.mark.parametrize(
    ("norm", "name"),
    [
        (Linf, "MultiTargeted"),
        (Linf, "ConstraintRelaxation"),
        pytest.param(Linf, "MarginDecomposition", marks=pytest.mark.slow),
        pytest.param(L2, "MultiTargeted", marks=pytest.mark.slow),
        pytest.param(L2, "ConstraintRelaxation", marks=pytest.mark.slow),
        pytest.param(L2, "MarginDecomposition", marks=pytest.mark.slow),
    ],
)
def test_a_constant_and_a_factor_of_the_logits_change_no_verdict(norm, name):
    given = _given(norm, 4)
    ball, _ = ball_of(norm, given)
    flags = flags_of(ATTACKS[name](ball), *given)
    assert 0.2 < flags.mean() < 0.8
    other = flags_of(ATTACKS[name](ball), *given, scale=100.0, shift=-7.0)
    np.testing.assert_array_equal(other, flags)
