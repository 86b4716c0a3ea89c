"""The climb on a fixed schedule, and the paths of the attacks that share it."""

import numpy as np
import pytest
from keras import ops

from keras_mpat import attacks, noise
from keras_mpat.attacks.attack import Goal
from keras_mpat.attacks.diversified import diversified
from keras_mpat.attacks.scheduled import best_of, climb, cosine, nothing_kept
from keras_mpat.objectives import Margin
from keras_mpat.threat_models import L2, Linf
from tests.balls import BOTH, to_numpy, to_tensor

MARGIN = Margin(kappa=None)
WIDE = (-100.0, 100.0)


def test_cosine_goes_from_the_first_to_the_last_value():
    np.testing.assert_allclose(
        cosine(1.0, 0.0, 5), [1, 0.853553, 0.5, 0.146447, 0], atol=1e-6
    )
    np.testing.assert_allclose(cosine(1.0, 0.01, 3), [1.0, 0.505, 0.01], atol=1e-6)
    np.testing.assert_allclose(cosine(2.0, 0.01, 1), [2.0])
    assert np.all(np.diff(cosine(2.0, 0.01, 50)) < 0)


# Climbs


def _best(leads, inside=None):
    """The index of the point that is kept of those with these leads, (points, B)."""
    leads = np.asarray(leads, "float32")
    labels = np.zeros(leads.shape[1], "int32")

    def logits_fn(x):
        lead = ops.take(leads, ops.cast(x[0, 0], "int32"), axis=0)
        return ops.stack([ops.zeros_like(lead), lead], axis=-1)

    start = to_tensor(np.zeros((leads.shape[1], 1)))
    goal = Goal(logits_fn, start, labels, noise.keys(0, len(labels)), MARGIN)
    steps = len(leads) - 1
    ended = climb(
        goal, start, steps, lambda i, x, _: x + 1, nothing_kept(start), inside
    )
    return to_numpy(best_of(goal, *ended))[:, 0].tolist()


def test_the_fooled_point_of_the_largest_lead_is_kept_else_the_nearest_one():
    nan = float("nan")
    leads = [[-3, -3, 2, -1, -4], [-1, 4, 1, nan, -3], [-2, 3, -9, 7, -2]]
    assert _best(leads) == [1, 1, 0, 1, 2]
    assert _best(leads[:2]) == [1, 1, 0, 1, 1]


def test_points_outside_are_not_judged():
    leads = [[-3, -3], [8, -1], [-2, -5]]
    assert _best(leads) == [1, 1]
    assert _best(leads, inside=[True, False]) == [2, 0]


# Paths on a linear model in a Euclidean ball, by hand


def _setting():
    """(logits_fn, ball, x, y, keys, slope): two classes, nothing is ever fooled."""
    rng = np.random.default_rng(4)
    slope = rng.normal(size=4)
    x, y = rng.normal(size=(5, 4)).astype("float32"), np.zeros(5, "int32")

    def logits_fn(x):  # the second logit is ten times as steep as the first
        value = ops.matmul(x, to_tensor(slope))
        return ops.stack([100.0 - value, 10.0 * value], axis=-1)

    return logits_fn, L2(2.0, bounds=WIDE), x, y, noise.keys(1, 5), slope


def _walk(point, x, slope, lengths, radius=2.0):
    """Steps of so many radii of 2 along the slope, in a ball of another radius."""
    for length in lengths:
        change = point - x + 2.0 * length * slope / np.linalg.norm(slope)
        size = np.linalg.norm(change, axis=1, keepdims=True)
        point = x + change * np.minimum(1.0, radius / size)
    return point


def test_steps_of_multi_targeted_fall_from_epsilon_to_a_hundredth():
    logits_fn, ball, x, y, keys, slope = _setting()
    attack = attacks.MultiTargeted(ball, steps=3, odi_steps=0)
    result = attack.run(logits_fn, to_tensor(x), y, keys, 2)
    start = to_numpy(ball.sample(to_tensor(x), noise.fold(keys, 2)))
    expected = _walk(start, x, slope, [1.0, 0.505, 0.01])
    np.testing.assert_allclose(to_numpy(result), expected, atol=2e-6)
    assert np.abs(expected - start).max() > 0.5


def test_steps_of_margin_decomposition_fall_from_two_epsilon_twice():
    logits_fn, ball, x, y, keys, slope = _setting()
    attack = attacks.MarginDecomposition(ball, steps=4)
    start = to_numpy(ball.sample(to_tensor(x), noise.fold(keys, 1)))
    expected = _walk(start, x, slope, [2.0, 1.0, 2.0, 1.0])
    result = to_numpy(attack.run(logits_fn, to_tensor(x), y, keys, 1))
    np.testing.assert_allclose(result, expected, atol=2e-6)


def test_a_cycle_leaves_the_ball_comes_back_and_is_pushed():
    logits_fn, ball, x, y, keys, slope = _setting()
    attack = attacks.ConstraintRelaxation(ball, cycles=2, steps=6, enlargement=0.5)
    keys_of_run = noise.fold(keys, 0)
    seen = [to_numpy(ball.sample(to_tensor(x), keys_of_run))]
    for cycle, radius in enumerate([3.0, 2.5]):
        pushed = ball.sample(to_tensor(x), noise.fold(keys_of_run, cycle))
        point = _walk(seen[-1], x, slope, [1.0], radius)
        seen.append(_walk(point, x, slope, [0.01]))
        seen.append(_walk(seen[-1], x, slope, [1.0]))
        point = (_walk(seen[-1], x, slope, [0.01]) + to_numpy(pushed)) / 2
        seen += [point, _walk(point, x, slope, [1.0])]
        seen.append(_walk(seen[-1], x, slope, [0.01]))
    values = np.stack([point @ slope for point in seen])
    expected = np.stack(seen)[np.argmax(values, axis=0), np.arange(5)]
    result = to_numpy(attack.run(logits_fn, to_tensor(x), y, keys, 0))
    np.testing.assert_allclose(result, expected, atol=5e-6)


def test_enlargement_halves_down_to_a_twentieth():
    def factors(**fields):
        attack = attacks.ConstraintRelaxation(Linf(0.1), cycles=6, **fields)
        return [float(attack._factor(number)) for number in range(6)]

    expected = [2.0, 1.5, 1.25, 1.125, 1.0625, 1.05]
    np.testing.assert_allclose(factors(), expected, rtol=1e-6)
    assert factors(enlargement=0) == [1.0] * 6


# Starts and targets


@BOTH
def test_a_diverse_start_ends_where_a_random_mixture_of_the_logits_is_largest(norm):
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(6, 3)).astype("float32")
    x, keys = to_tensor(rng.normal(size=(4, 6))), noise.keys(3, 4)
    ball = norm(0.5, bounds=WIDE)
    start = ball.sample(x, keys)

    def logits_fn(x):
        return ops.matmul(x, weights)

    mixture = noise.uniform(noise.fold(keys, 11), (3,), -1.0, 1.0)
    slope = to_numpy(mixture) @ weights.T
    found = to_numpy(diversified(logits_fn, ball, x, start, keys, 2))
    corner = np.sign(slope)
    if norm is L2:
        corner = slope / np.linalg.norm(slope, axis=1, keepdims=True)
        found = to_numpy(diversified(logits_fn, ball, x, start, keys, 20))
    np.testing.assert_allclose(found, to_numpy(x) + 0.5 * corner, atol=1e-5)
    assert len({tuple(row) for row in np.sign(to_numpy(mixture)).tolist()}) > 1


def test_a_run_begins_at_its_diverse_start():
    x, y = to_tensor(np.full((6, 4), 0.5)), np.zeros(6, "int32")
    ball, keys = Linf(0.2), noise.keys(0, 6)
    lift = np.array([9.0, 2.0, 1.0, 0.0], "float32")

    def ends(**fields):
        attack = attacks.MultiTargeted(ball, steps=1, target_classes=1, **fields)
        return to_numpy(attack.run(lambda x: lift + x, x, y, keys, 4)) - 0.5

    # Toward class 1, the features 2 and 3 stay where they were at the start.
    start = ball.sample(x, noise.fold(keys, 4))
    plain = ends(odi_steps=0)[:, 2:]
    np.testing.assert_allclose(plain, to_numpy(start)[:, 2:] - 0.5, atol=1e-6)
    mixture = noise.uniform(noise.fold(noise.fold(keys, 4), 11), (4,), -1.0, 1.0)
    signs = np.sign(to_numpy(mixture))[:, 2:]
    np.testing.assert_allclose(ends()[:, 2:], 0.2 * signs, atol=1e-6)


def test_runs_are_targets_by_rank_then_restarts():
    assert attacks.MultiTargeted(Linf(0.1)).runs(10) == 9
    assert attacks.MultiTargeted(Linf(0.1), restarts=2).runs(3) == 4
    assert attacks.MultiTargeted(Linf(0.1), target_classes=None).runs(10) == 1
    assert attacks.MarginDecomposition(Linf(0.1), restarts=3).runs(10) == 6
    runs = [attacks.ConstraintRelaxation(Linf(0.1)).runs(c) for c in (2, 3, 10, 100)]
    assert runs == [1, 2, 3, 5]
    # Inputs are their own logits: toward a class, only its logit and the true one move.
    x = np.array([[5, 1.0, 0.9, 0.8], [0.8, 5, 1.0, 0.9], [0.9, 0.8, 1, 5]], "float32")
    y, order = np.array([0, 1, 3], "int32"), np.argsort(-x, axis=1)
    ball, keys = L2(6.0, bounds=WIDE), noise.keys(0, 3)
    for number in range(3):
        for attack in (
            attacks.MultiTargeted(ball, steps=12),
            attacks.ConstraintRelaxation(ball, cycles=1, steps=24),
        ):
            rank = number % min(attack.runs(4), 3)
            x_adv = to_numpy(
                attack.run(lambda x: 1.0 * x, to_tensor(x), y, keys, number)
            )
            np.testing.assert_array_equal(np.argmax(x_adv, 1), order[:, rank + 1])


# Imbalanced gradients


def _imbalanced(steep):
    """A net whose margin follows the logit `steep`, which leads nowhere.

    The logit 1 - steep leads out of the class along a gentle slope; the margin's
    gradient has the sign of a sawtooth of three times that slope.
    """
    signs = {0: -1.0, 1: 1.0}

    def logits_fn(x):
        saw = ops.mean(3.0 * ops.abs(ops.mod(20.0 * x, 1.0) - 0.5), axis=-1)
        gentle = 20.0 * ops.mean(ops.maximum(0.5 - x, 0.0), axis=-1)
        logits = [signs[1 - steep] * gentle, signs[steep] * saw]
        own, other = logits if steep == 1 else logits[::-1]
        return ops.stack([own + 6.5, other], axis=-1)

    return logits_fn


@pytest.mark.parametrize("steep", [0, 1])
def test_decomposed_margin_finds_what_imbalanced_gradients_hide(steep):
    logits_fn, ball = _imbalanced(steep), Linf(0.4)
    x, y = to_tensor(np.full((8, 64), 0.5)), np.zeros(8, "int32")
    keys = noise.keys(0, 8)

    def fooled(attack, number):
        x_adv = attack.run(logits_fn, x, y, keys, number)
        return int(to_numpy(ops.sum(MARGIN.fooled(y, logits_fn(x_adv)))))

    lucky = 1 - steep  # the run that begins with the gentle part
    decomposed = attacks.MarginDecomposition(ball, steps=20)
    assert fooled(decomposed, lucky) == 8 and fooled(decomposed, 1 - lucky) == 0
    whole = attacks.PGD(ball, steps=20, objective=MARGIN)  # from the same start
    plain = attacks.MultiTargeted(ball, steps=20, odi_steps=0)
    assert fooled(whole, lucky) == fooled(plain, lucky) == 0
