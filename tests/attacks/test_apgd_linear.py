"""APGD on linear classifiers, where the worst case is known exactly."""

import numpy as np
import pytest
from keras import ops

from keras_mpat import backend
from keras_mpat.attacks import APGD
from keras_mpat.objectives import DLR, CrossEntropy, Margin
from keras_mpat.threat_models import L2, Linf

FEATURES, COUNT = 10, 60
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


def _problem(num_classes):
    """(weights, bias, x, y): y is what the classifier says of x."""
    rng = np.random.default_rng(num_classes)
    weights = rng.normal(size=(FEATURES, num_classes)).astype("float32")
    bias = rng.normal(scale=0.3, size=num_classes) - 0.5 * weights.sum(axis=0)
    bias = bias.astype("float32")  # in the middle of the box no class is far ahead
    x = rng.uniform(size=(COUNT, FEATURES)).astype("float32")
    x[:, 0], x[:20, 1] = 0.0, 1.0  # the box matters
    return weights, bias, x, (x @ weights + bias).argmax(-1)


def _worst_margins(weights, bias, x, y, ball):
    """The smallest z_y - max other in the ball; for L2 the box is left out. (B,)."""
    weights, bias, x = (part.astype("float64") for part in (weights, bias, x))
    worst = []
    for point, label in zip(x, y, strict=True):
        margins = []
        for other in set(range(weights.shape[1])) - {label}:
            slope = weights[:, label] - weights[:, other]
            margin = slope @ point + bias[label] - bias[other]
            if isinstance(ball, Linf):
                room = np.where(slope > 0, point, 1 - point)
                loss = np.sum(np.abs(slope) * np.minimum(ball.radius, room))
            else:
                loss = ball.radius * np.linalg.norm(slope)
            margins.append(margin - loss)
        worst.append(min(margins))
    return np.array(worst)


def _ball(norm, problem):
    """The ball in which about half of the examples can be fooled, and who they are."""

    def vulnerable(radius):
        return _worst_margins(*problem, norm(radius)) < 0

    radii = np.linspace(0.02, 0.28, 27).round(3)
    shares = np.array([np.mean(vulnerable(float(radius))) for radius in radii])
    radius = float(radii[np.abs(shares - 0.5).argmin()])
    margins = np.abs(_worst_margins(*problem, norm(radius)))
    assert margins.min() > 1e-4 and 0.2 < np.mean(vulnerable(radius)) < 0.8
    return norm(radius), vulnerable(radius)


def _check(name, num_classes, flags, vulnerable):
    """Exact where the objective is linear: toward one class, or with two classes.

    Cross-entropy and DLR of several classes have other maxima than the lead of the best
    wrong class, and untargeted ascent may end at a lower one: then it must be sound.
    """
    if name.endswith("each") or num_classes == 2:
        np.testing.assert_array_equal(flags, vulnerable)
    assert not np.any(flags & ~vulnerable)
    assert np.sum(flags) >= 0.7 * np.sum(vulnerable)


def _flags(attack, weights, bias, x, y, scale=1.0, shift=0.0):
    def logits_fn(x):
        return (ops.matmul(x, weights) + bias) * scale + shift

    def compiled(x, y):
        return attack(logits_fn, x, y, seed=0)

    x_adv = backend.function(compiled)(ops.convert_to_tensor(x), y.astype("int32"))
    distance = ops.convert_to_numpy(attack.threat_model.distance(x_adv, x))
    assert distance.max() <= attack.threat_model.radius * (1 + 1e-5)
    x_adv = ops.convert_to_numpy(x_adv)
    assert x_adv.min() >= 0 and x_adv.max() <= 1
    return (x_adv @ weights + bias).argmax(-1) != y


@EVERY
def test_verdicts_in_the_box_are_exact_for_every_example(name, num_classes):
    problem = _problem(num_classes)
    ball, vulnerable = _ball(Linf, problem)
    flags = _flags(APGD(ball, steps=30, **ATTACKS[name]), *problem)
    _check(name, num_classes, flags, vulnerable)


@EVERY
def test_verdicts_in_the_euclidean_ball_are_exact_for_every_example(name, num_classes):
    weights, bias, x, y = _problem(num_classes)
    x = 0.3 + 0.4 * x  # the box is inactive
    problem = weights, bias, x, (x @ weights + bias).argmax(-1)
    ball, vulnerable = _ball(L2, problem)
    flags = _flags(APGD(ball, steps=40, **ATTACKS[name]), *problem)
    _check(name, num_classes, flags, vulnerable)


@pytest.mark.parametrize("norm", [Linf, L2])
@pytest.mark.parametrize("name", ["margin toward each", "dlr", "dlr toward each"])
def test_scale_and_shift_of_the_logits_change_no_verdict(norm, name):
    problem = _problem(4)
    ball, _ = _ball(norm, problem)
    attack = APGD(ball, steps=20, **ATTACKS[name])
    flags = _flags(attack, *problem)
    assert 0.2 < flags.mean() < 0.8
    for scale, shift in ((1e-3, 50.0), (1e3, -7.0)):
        other = _flags(attack, *problem, scale=scale, shift=shift)
        np.testing.assert_array_equal(other, flags)
