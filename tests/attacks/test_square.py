"""Square in both norms: schedule, acceptance, soundness, and what gradients miss."""

from dataclasses import dataclass

import numpy as np
import pytest
from keras import ops

from keras_mpat import attacks, backend, noise
from keras_mpat.attacks import _windows
from keras_mpat.threat_models import L2, Linf, ThreatModel
from tests.attacks.squares import (
    KEYS,
    fooled,
    linear,
    margins,
    results,
    to_numpy,
    weaknesses,
)

BALLS = pytest.mark.parametrize(
    "ball", [Linf(0.1), L2(1.0)], ids=lambda ball: type(ball).__name__
)


def _share(query, initial):
    steps = [(10, 1), (50, 2), (200, 4), (500, 8), (1000, 16), (2000, 32)]
    steps += [(4000, 64), (6000, 128), (8000, 256)]
    for last, divisor in steps:
        if query <= last:
            return initial / divisor
    return initial / 512


def test_share_is_halved_at_the_published_queries():
    found = _windows.shares(10_000, 0.8, False)
    np.testing.assert_allclose(found, [_share(q, 0.8) for q in range(10_000)])
    assert len(set(found)) == 10


def test_rescaled_schedule_runs_through_all_shares():
    found = _windows.shares(1000, 0.3, True)
    np.testing.assert_allclose(found, [_share(10 * q, 0.3) for q in range(1000)])
    assert found[-1] == pytest.approx(0.3 / 512)
    np.testing.assert_array_equal(
        _windows.shares(10_000, 0.3, True), _windows.shares(10_000, 0.3, False)
    )


@pytest.mark.parametrize("size", [1, 2, 8, 28, 32])
def test_sides_of_square_images(size):
    sizes = _windows.shares(9000, 0.8, False)
    expected = [
        [min(max(round(float(np.sqrt(p * size * size))), 1), size)] * 2 for p in sizes
    ]
    np.testing.assert_array_equal(_windows.sides(sizes, size, size), expected)


@pytest.mark.parametrize(
    ("height", "width", "share", "expected"),
    [
        (4, 16, 0.8, (4, 13)),  # sqrt(51.2) = 7 rows do not fit
        (16, 4, 0.8, (13, 4)),
        (4, 16, 0.2, (4, 4)),
        (4, 16, 0.1, (3, 3)),
        (1, 10, 0.8, (1, 8)),
        (10, 1, 0.8, (8, 1)),
        (1, 10, 0.01, (1, 1)),
        (3, 500, 1.0, (3, 500)),
    ],
)
def test_windows_that_do_not_fit_keep_their_share(height, width, share, expected):
    found = _windows.sides(np.array([share]), height, width)
    assert found.tolist() == [list(expected)]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), (1, 1, 1)),
        ((7,), (1, 7, 1)),
        ((6, 5), (6, 5, 1)),
        ((6, 5, 3), (6, 5, 3)),
        ((2, 6, 5, 3), (12, 5, 3)),
    ],
)
def test_inputs_are_seen_as_images(shape, expected):
    assert _windows.canvas(shape) == expected


@BALLS
def test_margin_never_rises_and_nothing_moves_once_fooled(ball):
    logits_fn, x, y, _ = linear()
    chain = results(ball, logits_fn, x, y, [1, 2, 3, 5, 8, 13, 21, 34])
    moved = 0
    for before, after in zip(chain, chain[1:], strict=False):
        old, new = (margins(logits_fn, part, y) for part in (before, after))
        changed = np.any(before != after, axis=(1, 2, 3))
        assert np.all(new[changed] < old[changed])
        assert not np.any(changed & fooled(logits_fn, before, y))
        moved += changed.sum()
    assert moved > 30
    ended = fooled(logits_fn, chain[-1], y)
    assert 0 < ended.sum() < len(y)


@BALLS
def test_a_tie_is_no_success(ball):
    # The lead of class 1 grows to a tie, which argmax decides for class 0, and stays
    # there for a while.
    slope = np.random.default_rng(0).normal(size=64).astype("float32")
    best = np.abs(slope).sum() / 10 if type(ball) is Linf else np.linalg.norm(slope)

    def logits_fn(x):
        gain = ops.matmul(ops.reshape(x, (-1, 64)) - 0.5, slope[:, None])[:, 0] / best
        lead = ops.where(gain > 0.35, 1.0, ops.minimum(gain - 0.2, 0.0))
        return ops.stack([ops.zeros_like(lead), lead], axis=-1)

    x, y = np.full((24, 8, 8, 1), 0.5, "float32"), np.zeros(24, "int32")
    chain = results(ball, logits_fn, x, y, [20, 300])
    tied = margins(logits_fn, chain[0], y) == 0
    assert tied.sum() > 2
    assert fooled(logits_fn, chain[1], y)[tied].any()


@BALLS
def test_each_example_has_its_own_draws_and_no_company(ball):
    logits_fn, x, y, _ = linear(1)
    x[1], y[1] = x[0], y[0]
    (together,) = results(ball, logits_fn, x, y, [40])
    assert np.abs(together[0] - together[1]).max() > 0.05
    attack = attacks.Square(ball, queries=40)
    order = np.arange(24)[::-1]
    turned = to_numpy(attack(logits_fn, x[order], y[order], ops.flip(KEYS, axis=0)))
    np.testing.assert_array_equal(turned[order], together)
    alone = to_numpy(attack(logits_fn, x[4:6], y[4:6], KEYS[4:6]))
    np.testing.assert_allclose(alone, together[4:6], atol=1e-6)


@BALLS
@pytest.mark.parametrize("classes", [2, 3, 8])
def test_only_the_vulnerable_are_broken_in_linear_problems(ball, classes):
    norm, epsilon = type(ball).__name__, ball.radius / 2
    logits_fn, x, y, kernel = linear(classes, count=24, classes=classes)
    vulnerable = weaknesses(x, y, kernel, epsilon, norm) <= 0
    assert 3 < vulnerable.sum() < len(y)
    (result,) = results(ball.scaled(0.5), logits_fn, x, y, [200], rescale_schedule=True)
    broken = fooled(logits_fn, result, y)
    assert not np.any(broken & ~vulnerable)
    assert broken.sum() >= 0.25 * vulnerable.sum()


def _rounded(x):
    return ops.round(4.0 * x) / 4.0


def _saturating(x):
    return ops.clip((x - 0.31) / 0.38, 0.0, 1.0)


@BALLS
@pytest.mark.parametrize("mask", [_rounded, _saturating, ops.stop_gradient])
def test_breaks_what_gradients_do_not(ball, mask):
    plain, x, y, kernel = linear(2)
    x = np.where(x > 0.5, 0.95, 0.05).astype("float32")  # in the flat ends
    ball = ball.scaled(4.0)

    def logits_fn(x):
        return plain(mask(x))

    y = np.argmax(to_numpy(logits_fn(ops.convert_to_tensor(x))), -1).astype("int32")
    pgd = attacks.PGD(ball, steps=5, random_start=False)
    assert not fooled(logits_fn, pgd(logits_fn, x, y), y).any()
    (result,) = results(ball, logits_fn, x, y, [100])
    assert fooled(logits_fn, result, y).mean() > 0.5


@BALLS
def test_scale_and_shift_of_the_logits_do_not_matter(ball):
    logits_fn, x, y, _ = linear(4)
    (plain,) = results(ball, logits_fn, x, y, [30])
    verdicts = fooled(logits_fn, plain, y)
    assert 0 < verdicts.sum() < len(y)
    for scale, shift in ((1e-3, 0.0), (1e3, 0.0), (1.0, 8.0)):

        def changed(z, scale=scale, shift=shift):
            return scale * logits_fn(z) + shift

        (other,) = results(ball, changed, x, y, [30])
        np.testing.assert_array_equal(fooled(logits_fn, other, y), verdicts)


@BALLS
@pytest.mark.parametrize("shape", [(), (1,), (7,), (9, 5), (3, 11, 2), (2, 3, 4, 2)])
def test_inputs_of_any_shape(ball, shape):
    ball = L2(0.1) if isinstance(ball, L2) else ball
    size = int(np.prod(shape))
    logits_fn, x, y, kernel = linear(5, classes=2, shape=(size,), low=0.3, high=0.7)
    x = x.reshape(-1, *shape)
    (result,) = results(ball, logits_fn, x, y, [80], rescale_schedule=True)
    assert result.shape == x.shape
    assert to_numpy(ball.distance(result, x) if shape else 0).max() <= 0.1 + 1e-6
    gained = margins(logits_fn, x, y) - margins(logits_fn, result, y)
    stopped = fooled(logits_fn, result, y)
    slope = kernel[:, 0] - kernel[:, 1]
    best = 0.1 * (np.abs(slope).sum() if type(ball) is Linf else np.linalg.norm(slope))
    assert np.all(gained[~stopped] > 0.2 * best)


@BALLS
def test_restarts_are_other_runs(ball):
    sure, x, y, _ = linear(6)
    lead = np.eye(3, dtype="float32")[y] * (margins(sure, x, y) - 1.5)[:, None]

    def logits_fn(x):
        return sure(x) - lead.astype("float32")  # every margin is 1.5

    attack = attacks.Square(ball, queries=2, restarts=3)
    assert attack.runs(10) == 3
    each = [to_numpy(attack.run(logits_fn, x, y, KEYS, r)) for r in range(3)]
    assert all(np.any(each[0] != other) for other in each[1:])
    broken = [fooled(logits_fn, result, y) for result in each]
    worst = np.any(broken, axis=0)
    assert worst.sum() > max(part.sum() for part in broken)
    result = attack(logits_fn, x, y, KEYS)
    np.testing.assert_array_equal(fooled(logits_fn, result, y), worst)


@BALLS
def test_epsilon_zero_returns_the_input(ball):
    logits_fn, x, y, _ = linear()
    (result,) = results(type(ball)(0.0), logits_fn, x, y, [5])
    np.testing.assert_array_equal(result, x)


@BALLS
def test_epsilon_may_be_a_tensor(ball):
    logits_fn, x, y, _ = linear()
    (expected,) = results(ball.scaled(0.5), logits_fn, x, y, [20])
    half = ball.scaled(ops.convert_to_tensor(0.5, "float32"))
    (result,) = results(half, logits_fn, x, y, [20])
    np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.skipif(backend.NAME != "tensorflow", reason="counts calls and traces")
@BALLS
def test_model_calls(ball):
    logits_fn, x, y, _ = linear()
    calls = []

    def counted(x):
        calls.append(1)
        return logits_fn(x)

    results(ball.scaled(0.01), counted, x, y, [7])
    assert len(calls) == 1 + 1 + 7  # the check of the logits, the start, the queries
    calls.clear()
    results(ball, counted, x, (y + 1) % 3, [500])
    assert len(calls) < 40  # all were wrong soon, and the loop ended
    counts = []
    for queries in (2, 200):
        calls.clear()
        attack = attacks.Square(ball, queries=queries)
        compiled = backend.function(lambda x, y, a=attack: a(counted, x, y, 0))
        compiled(ops.convert_to_tensor(x), ops.convert_to_tensor(y))
        counts.append(len(calls))
    assert counts[0] == counts[1] == 2


def test_another_norm_is_refused():
    @dataclass(frozen=True, eq=False)
    class L1(ThreatModel):
        def ball(self, x_adv, x):
            return x

        steepest = sample = distance = ball

    with pytest.raises(
        ValueError, match=r"`threat_model` of Square must be Linf, L2 .*Received.*Pass"
    ):
        attacks.Square(L1(0.1))

    class Mine(Linf):
        pass

    assert attacks.Square(Mine(0.1)).threat_model.radius == 0.1


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan"), None, [0.1], True])
def test_bad_share_is_named(share):
    with pytest.raises(
        ValueError, match=r"`initial_share` must lie in \(0, 1\].*Received: initial_s"
    ):
        attacks.Square(Linf(0.1), initial_share=share)


def test_keys_of_the_start_and_of_the_queries_differ():
    folded = [to_numpy(noise.fold(KEYS, number)) for number in range(4)]
    assert len({part.tobytes() for part in folded}) == 4
