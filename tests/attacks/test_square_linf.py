"""Square's moves in the Linf ball: stripes, windows, and a run in NumPy."""

import numpy as np
import pytest
from keras import ops

from keras_mpat import attacks, noise
from keras_mpat.attacks._windows import Stripes, sides
from keras_mpat.threat_models import Linf
from tests.attacks.squares import KEYS, fooled, linear, to_numpy

EPSILON = 0.2


def _images(shape, count=24):
    x = np.random.default_rng(0).uniform(size=(count, *shape)).astype("float32")
    x[0], x[1] = 0.0, 1.0
    return x


def _ends(x):
    low = np.clip(x - np.float32(EPSILON), 0, 1)
    return low, np.clip(x + np.float32(EPSILON), 0, 1)


@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 9, 3), (9, 4, 2)])
def test_start_is_striped(shape):
    x = _images(shape)
    start = to_numpy(Stripes(Linf(EPSILON), x, np.ones(1)).start(KEYS))
    low, high = _ends(x)
    up = start == high
    np.testing.assert_array_equal(start, np.where(up, high, low))
    inner = np.all((low < x) & (x < high), axis=1, keepdims=True)
    assert np.all((up == up[:, :1]) | ~inner)
    assert 0.4 < up[2:, 0].mean() < 0.6
    assert len({row.tobytes() for row in up[2:, 0]}) > 15


@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 9, 3), (9, 4, 2)])
def test_a_query_changes_one_window(shape):
    x, sizes = _images(shape), np.array([0.9, 0.3, 0.1, 0.02])
    x[:2] = 0.5
    moves = Stripes(Linf(EPSILON), x, sizes)
    low, high = _ends(x)
    for query, (rows, columns) in enumerate(sides(sizes, *shape[:2])):
        keys = noise.fold(KEYS, query)
        result = to_numpy(moves.propose(x, keys, query))
        again = to_numpy(moves.propose(x, keys, ops.convert_to_tensor(query)))
        np.testing.assert_array_equal(result, again)
        for i in range(len(x)):
            place = np.argwhere(np.any(result[i] != x[i], axis=-1))
            first = place.min(axis=0)
            window = (
                slice(first[0], first[0] + rows),
                slice(first[1], first[1] + columns),
            )
            expected = x[i].copy()
            for channel in range(shape[2]):
                where = (*window, channel)
                up = result[i][where][0, 0] == high[i][where][0, 0]
                expected[where] = (high if up else low)[i][where]
            np.testing.assert_array_equal(result[i], expected)


def test_every_place_and_sign_is_as_likely():
    count = 6000
    x = np.full((count, 4, 5, 2), 0.5, "float32")
    moves = Stripes(Linf(EPSILON), x, np.array([0.3]))  # 2 x 2 of 4 x 5
    change = to_numpy(moves.propose(x, noise.keys(1, count), 0)) - x
    touched = np.any(change != 0, axis=-1)
    rows = np.argmax(touched.any(axis=2), axis=1)
    columns = np.argmax(touched.any(axis=1), axis=1)
    found = np.zeros((3, 4))
    np.add.at(found, (rows, columns), 1)
    np.testing.assert_allclose(found / count, 1 / 12, atol=0.02)
    signs = np.sign(change.sum(axis=(1, 2)))
    kinds = {tuple(kind) for kind in signs}
    assert len(kinds) == 4
    for kind in kinds:
        assert np.mean(np.all(signs == kind, axis=1)) == pytest.approx(0.25, abs=0.03)


def test_no_query_asks_what_was_said_already():
    x = np.full((500, 4, 4, 2), 0.5, "float32")
    moves = Stripes(Linf(EPSILON), x, np.array([0.05]))  # one pixel
    rng = np.random.default_rng(0)
    before = (x + EPSILON * rng.choice([-1, 1], x.shape)).astype("float32")
    after = to_numpy(moves.propose(before, noise.keys(1, 500), 0))
    assert np.all(np.any(after != before, axis=(1, 2, 3)))
    np.testing.assert_allclose(np.abs(after - x), EPSILON, rtol=1e-5)
    both = np.all(np.any(after != before, axis=(1, 2)), axis=-1)
    assert np.mean(both) == pytest.approx(0.5, abs=0.07)  # 1/4 by draw, 1/4 turned


def _oracle(x, y, kernel, share, queries):
    """The run in float64, example by example, with the draws of the attack."""
    keys = noise.fold(KEYS, 0)  # of the first run
    low, high = np.clip(x - EPSILON, 0, 1), np.clip(x + EPSILON, 0, 1)
    up = to_numpy(noise.uniform(noise.fold(keys, 0), (1, 8, 1))) < 0.5
    best = np.where(up, high, low).astype("float64")
    size = round(float(np.sqrt(share * 64)))

    def margin(i, image):
        logits = image.reshape(-1) @ kernel
        return logits[y[i]] - max(np.delete(logits, y[i]))

    for query in range(queries):
        draws = to_numpy(noise.uniform(noise.fold(keys, query + 1), (3,)))
        for i in range(len(x)):
            row, column = (int(draws[i, k] * (8 - size + 1)) for k in (0, 1))
            window = (slice(row, row + size), slice(column, column + size))
            candidate, ends = best[i].copy(), [low[i][window], high[i][window]]
            chosen = ends[int(draws[i, 2] < 0.5)]
            if np.array_equal(chosen, candidate[window]):
                chosen = ends[int(draws[i, 2] >= 0.5)]
            candidate[window] = chosen
            now = margin(i, best[i])
            if now > 0 and margin(i, candidate) < now:
                best[i] = candidate
    return best


@pytest.mark.parametrize("share", [0.8, 0.1])
def test_equals_the_run_in_numpy(share):
    logits_fn, x, y, kernel = linear(8)
    attack = attacks.Square(Linf(EPSILON / 2), queries=11, initial_share=share)
    attack = attack.scaled(2.0)
    result = to_numpy(attack(logits_fn, x, y, KEYS))
    expected = _oracle(x, y, kernel, share, 11)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert 0 < fooled(logits_fn, result, y).sum() < len(y)
