"""Attacks against a dense grid of all that the adversary may do, in one and two inputs.

A point of the grid that fools is a proof; where the smallest margin on the grid exceeds
what a net can lose between two points, nothing in the ball fools.
"""

import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat import attacks, evaluation
from keras_mpat.objectives import Margin
from tests import relu_nets

COUNT, SIDE, CLASSES = 40, 81, 3
NORMS = pytest.mark.parametrize("norm", [mpat.Linf, mpat.L2])


def grid(x, ball):
    """Points (M, 2) of ball and box around x (2,), and how far any point is from one.

    Linf: a lattice from end to end. L2: the same within the circle, and the circle.
    """
    low, high = np.maximum(x - ball.radius, 0), np.minimum(x + ball.radius, 1)
    axes = [np.linspace(a, b, SIDE) for a, b in zip(low, high, strict=True)]
    found = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    step = np.linalg.norm((high - low) / (SIDE - 1))
    if isinstance(ball, mpat.Linf):
        return found, step / 2
    angles = np.linspace(0, 2 * np.pi, 4 * SIDE)
    circle = x + ball.radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    found = np.concatenate([found, np.clip(circle, 0, 1)])
    return found[np.linalg.norm(found - x, axis=-1) <= ball.radius + 1e-12], step


def margins_on_the_grid(nets, ball):
    """(smallest margin on the grid, most that a net can lose in between), (count,)."""
    least, slack = [], []
    for number, (x, label) in enumerate(zip(nets.x, nets.y, strict=True)):
        points, away = grid(x[:2].astype("float64"), ball)
        rest = np.broadcast_to(x[2:], (len(points), len(x) - 2))
        logits = nets.logits(np.concatenate([points, rest], axis=1), number)
        others = np.delete(logits, label, axis=1)
        least.append(np.min(logits[:, label] - others.max(axis=1)))
        first, second = nets.first[number], nets.second[number]
        gain = np.abs(np.delete(second, label, axis=1).T - second[:, label])
        slope = np.max(gain @ np.linalg.norm(first, axis=0))
        slack.append(slope * away)
    return np.array(least), np.array(slack)


def setting():
    """Nets of which one half sees one input, the other two."""
    return relu_nets.random_nets(COUNT, CLASSES, seed=2, features=(1, 2))


def suite(ball):
    toward = {"target_classes": "all", "steps": 30}
    return {
        "APGD": attacks.APGD(ball, objective=Margin(kappa=None), restarts=4, **toward),
        "FAB": attacks.FAB(ball, target_classes="all", steps=15, restarts=4),
        "Square": attacks.Square(ball, queries=100, restarts=4, rescale_schedule=True),
    }


def check(nets, ball, given):
    """Sound each for itself, complete together; returns how many each has found."""
    least, slack = margins_on_the_grid(nets, ball)
    result = evaluation.evaluate_robustness(
        relu_nets.classifier(nets),
        (nets.inputs(), nets.y),
        given,
        batch_size=COUNT,
        verbose=False,
    )
    vulnerable, safe = least < -1e-5, least > slack
    assert 8 <= vulnerable.sum() <= COUNT - 8 and safe.sum() >= 8
    assert result.clean.all()
    for stage in result.stages:
        assert not np.any(~stage.correct & safe), stage.name
    np.testing.assert_array_equal(np.flatnonzero(vulnerable & result.robust), [])
    return [np.sum(vulnerable & ~stage.correct) for stage in result.stages], vulnerable


@NORMS
def test_attacks_find_what_a_grid_finds_and_no_more(norm):
    nets, ball = setting(), relu_nets.ball(norm)
    found, vulnerable = check(nets, ball, suite(ball))
    assert min(found) >= 0.8 * vulnerable.sum(), found


@pytest.mark.slow
@NORMS
def test_autoattack_finds_what_a_grid_finds_and_no_more(norm):
    ball = relu_nets.ball(norm)
    check(setting(), ball, attacks.AutoAttack(ball))


def test_linear_programs_agree_with_the_grid():
    """Two ways to the smallest margin: enumeration of signs, and looking everywhere."""
    nets = setting()
    least, slack = margins_on_the_grid(nets, relu_nets.ball())
    exact = relu_nets.worst_margins(nets)
    assert np.all(exact <= least + 1e-9) and np.all(exact >= least - slack)
    assert np.median(least - exact) < 0.01
