"""Square's moves in the L2 ball: patterns, the exchange of mass, a run in NumPy."""

import numpy as np
import pytest

from keras_mpat import attacks, noise
from keras_mpat.attacks import _pyramids
from keras_mpat.attacks._pyramids import Pyramids
from keras_mpat.threat_models import L2
from tests.attacks.squares import KEYS, fooled, linear, to_numpy

EPSILON = 0.5


def _piece(height, width):
    """Equation 2 with its sums, indices from 1."""
    n = max(height, width) // 2
    piece = np.zeros((height, width))
    for r in range(1, height + 1):
        for s in range(1, width + 1):
            far = max(abs(r - height // 2 - 1), abs(s - width // 2 - 1))
            piece[r - 1, s - 1] = sum(1 / (n + 1 - k) ** 2 for k in range(n - far + 1))
    return piece


def _square(side):
    """The pattern of a window: two pieces of opposite sign, left and right."""
    left = side // 2
    return np.concatenate([_piece(side, left), -_piece(side, side - left)], axis=1)


def _built(rows, columns, split):
    across, along = _pyramids.profiles(rows, columns, split)
    sizes = np.minimum.outer(np.abs(across), np.abs(along))
    return sizes * np.outer(np.sign(across), np.sign(along))


@pytest.mark.parametrize("side", [1, 2, 3, 5, 7, 12, 25])
def test_pattern_is_that_of_the_paper(side):
    np.testing.assert_allclose(_built(side, side, 0), _square(side))
    np.testing.assert_allclose(_built(side, side, 1), _square(side).T)


def test_pattern_of_three():
    # n = 1, f(0) = 1 + 1/4, f(1) = 1/4; the halves have 1 and 2 columns.
    low, high = 0.25, 1.25
    expected = [[low, -low, -low], [high, -low, -high], [low, -low, -low]]
    np.testing.assert_allclose(_built(3, 3, 0), expected)


@pytest.mark.parametrize(("rows", "columns"), [(1, 6), (3, 11), (5, 9)])
def test_pattern_of_a_rectangle(rows, columns):
    pattern = _built(rows, columns, 0)
    first = columns // 2
    assert np.all(pattern[:, :first] > 0) and np.all(pattern[:, first:] < 0)
    assert np.argmax(pattern.max(axis=0)) == first // 2
    np.testing.assert_array_equal(_built(columns, rows, 1), pattern.T)


def test_sides_are_odd_and_fit():
    sizes = np.array([0.8, 0.2, 0.1, 0.01])
    found = _pyramids.odd_sides(sizes, 28, 28).tolist()
    assert found == [[25, 25], [13, 13], [9, 9], [3, 3]]
    assert _pyramids.odd_sides(np.array([1.0]), 8, 8).tolist() == [[7, 7]]
    assert _pyramids.odd_sides(np.array([0.5]), 1, 9).tolist() == [[1, 5]]
    assert _pyramids.odd_sides(np.array([0.5]), 9, 2).tolist() == [[5, 1]]


def _inner(shape, count=24):
    """Images so far from the box that it cuts nothing."""
    x = np.random.default_rng(0).uniform(0.4, 0.6, size=(count, *shape))
    return x.astype("float32")


@pytest.mark.parametrize("shape", [(10, 10, 1), (5, 12, 3), (12, 5, 2), (1, 9, 1)])
def test_start_spends_the_budget_on_tiles(shape):
    x = _inner(shape)
    moves = Pyramids(L2(0.3), x, np.ones(1))
    change = to_numpy(moves.start(KEYS)) - x
    np.testing.assert_allclose(
        np.linalg.norm(change.reshape(24, -1), axis=1), 0.3, rtol=1e-5
    )
    tile = _pyramids.tiles(*shape[:2])[1]
    counts = [min(5, size) for size in shape[:2]]
    assert tile.max() + 1 == counts[0] * counts[1]
    spent = np.any(change != 0, axis=(0, 3))
    lengths = [size // count for size, count in zip(shape, counts, strict=False)]
    assert spent.sum() == np.prod(counts) * np.prod(lengths)
    signs = np.sign(change).reshape(24, -1)
    assert len({row.tobytes() for row in signs}) > 10


@pytest.mark.parametrize("shape", [(9, 9, 1), (5, 12, 3), (1, 9, 1)])
def test_a_query_moves_mass_between_two_windows(shape):
    x, sizes = _inner(shape), np.array([0.1, 0.05])
    rows, columns = _pyramids.odd_sides(sizes, *shape[:2])[0]
    moves = Pyramids(L2(0.3), x, sizes)
    before = moves.start(KEYS)
    after = to_numpy(moves.propose(before, noise.fold(KEYS, 1), 0))
    before = to_numpy(before)
    np.testing.assert_allclose(
        np.linalg.norm((after - x).reshape(24, -1), axis=1), 0.3, rtol=1e-5
    )
    old, new = before - x, after - x
    touched = np.any(np.abs(new - old) > 1e-6, axis=-1)
    emptied = np.any((np.abs(new) < 1e-6) & (np.abs(old) > 1e-4), axis=-1)
    assert np.all(touched.sum(axis=(1, 2)) <= 2 * rows * columns)
    assert np.all(emptied.sum(axis=(1, 2)) <= rows * columns)
    assert emptied.any()
    for channel in range(shape[2]):  # the start spends the same on each channel
        energy = [np.sum(part[..., channel] ** 2, axis=(1, 2)) for part in (old, new)]
        np.testing.assert_allclose(energy[1], energy[0], rtol=1e-4)


def test_budget_that_the_box_cut_off_is_spent_next():
    x = np.zeros((24, 9, 9, 2), "float32")
    x[:, 4:] = 0.5
    moves = Pyramids(L2(EPSILON), x, np.full(40, 0.1))
    x_adv = moves.start(KEYS)
    lengths = []
    for query in range(40):
        x_adv = moves.propose(x_adv, noise.fold(KEYS, query + 1), query)
        change = (to_numpy(x_adv) - x).reshape(24, -1)
        lengths.append(np.linalg.norm(change, axis=1))
    assert np.max(lengths) <= EPSILON * (1 + 1e-6)
    assert np.mean(lengths[-10:]) > 0.8 * EPSILON
    assert np.min(lengths) < 0.99 * EPSILON  # the box does cut


def test_budget_is_not_spent_on_fixed_features():
    mutable = np.zeros((8, 8, 1), "bool")
    mutable[:, :3] = True
    for ball in (L2(0.3, mutable=mutable), L2(0.3 * mutable.astype("float32"))):
        x = _inner((8, 8, 1))
        moves = Pyramids(ball, x, np.full(3, 0.5))
        for result in (
            moves.start(KEYS),
            moves.propose(moves.start(KEYS), noise.fold(KEYS, 1), 0),
        ):
            change = to_numpy(result) - x
            assert np.all(change[:, ~mutable] == 0)
            np.testing.assert_allclose(
                np.linalg.norm(change.reshape(24, -1), axis=1), 0.3, rtol=1e-5
            )


def _unit(values):
    norm = np.linalg.norm(values)
    return values / norm if norm > 0 else values


def _clipped(x, change):
    change = change * min(1.0, EPSILON / max(np.linalg.norm(change), 1e-300))
    return np.clip(x + change, 0, 1)


def _exchange(x, x_adv, draws, side):
    """Algorithm 3 for one image (H, W, C_in), in float64."""
    size, channels = x.shape[0], x.shape[2]
    change = x_adv - x
    corners = [int(draw * (size - side + 1)) for draw in draws[:4]]
    windows = [
        (slice(row, row + side), slice(column, column + side))
        for row, column in (corners[:2], corners[2:])
    ]
    pattern = _unit(_square(side).T if draws[4] < 0.5 else _square(side))
    unused = EPSILON**2 - np.sum(change**2)
    both = np.zeros((size, size), "bool")
    both[windows[0]] = both[windows[1]] = True
    for channel in range(channels):
        sign = 1 if draws[5 + channel] < 0.5 else -1
        own = change[:, :, channel]
        direction = sign * pattern + _unit(own[windows[0]])
        available = np.sqrt(np.sum(own[both] ** 2) + unused / channels)
        own[windows[1]] = 0
        own[windows[0]] = _unit(direction) * available
    return _clipped(x, change)


def _start(x, draws):
    """Twenty-five tiles in an image of side 10: one of 2 x 2 pixels each."""
    change = np.zeros_like(x)
    for tile in range(25):
        place = (slice(tile // 5 * 2, tile // 5 * 2 + 2),)
        place += (slice(tile % 5 * 2, tile % 5 * 2 + 2),)
        pattern = _square(2).T if draws[tile, 0] < 0.5 else _square(2)
        for channel in range(x.shape[2]):
            sign = 1 if draws[tile, 1 + channel] < 0.5 else -1
            change[(*place, channel)] = sign * pattern
    return _clipped(x, EPSILON * _unit(change))


def test_equals_the_run_in_numpy():
    shape, queries, side = (10, 10, 2), 11, 5
    logits_fn, x, y, kernel = linear(9, shape=shape)
    attack = attacks.Square(L2(EPSILON), queries=queries, initial_share=0.2)
    result = to_numpy(attack(logits_fn, x, y, KEYS))

    def margin(image, label):
        logits = image.reshape(-1) @ kernel
        return logits[label] - max(np.delete(logits, label))

    keys = noise.fold(KEYS, 0)
    draws = to_numpy(noise.uniform(noise.fold(keys, 0), (25, 3)))
    clean = x.astype("float64")
    best = [_start(*pair) for pair in zip(clean, draws, strict=True)]
    accepted = 0
    for query in range(queries):
        draws = to_numpy(noise.uniform(noise.fold(keys, query + 1), (7,)))
        for i in range(len(x)):
            candidate = _exchange(clean[i], best[i], draws[i], side)
            now = margin(best[i], y[i])
            if now > 0 and margin(candidate, y[i]) < now:
                best[i], accepted = candidate, accepted + 1
    np.testing.assert_allclose(result, best, atol=2e-5)
    assert accepted > 40
    assert 0 < fooled(logits_fn, result, y).sum() < len(y)
