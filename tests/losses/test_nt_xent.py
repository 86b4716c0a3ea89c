"""NT-Xent: published values, a slow oracle, closed forms, invariances, gradients."""

import math

import numpy as np
import pytest
from keras import ops

from keras_mpat.losses.nt_xent import nt_xent
from tests.losses.gradients import gradient_of
from tests.oracles import finite_differences

# Of the published code: rows of the first view, then of the second.
FIRST, SECOND = np.array([[1.0, 0], [0, 1]]), np.array([[1.0, 1], [-1, 1]])
ADVERSARIAL = np.array([[1, 0.2], [0.1, 1]])


def values(*views, **kwargs):
    return ops.convert_to_numpy(nt_xent(*views, **kwargs)).astype("float64")


def oracle(*views, temperature=0.5):
    """Row by row, pair by pair."""
    rows = [row / np.linalg.norm(row) for view in views for row in view]
    count, losses = len(views[0]), []
    for i, row in enumerate(rows):
        others = [k for k in range(len(rows)) if k != i]
        total = sum(math.exp(row @ rows[k] / temperature) for k in others)
        positives = [k for k in others if k % count == i % count]
        losses.append(
            sum(math.log(total) - row @ rows[k] / temperature for k in positives)
        )
    return np.array(losses)


def test_published_values():
    found = values(FIRST, SECOND)
    expected = [0.26407241, 0.26407241, 0.8078663, 0.8078663]
    np.testing.assert_allclose(np.sort(found), expected, rtol=1e-5)
    assert found.mean() == pytest.approx(0.53596935, rel=1e-5)
    assert values(FIRST, SECOND, ADVERSARIAL).mean() == pytest.approx(
        2.22346292, rel=1e-5
    )


@pytest.mark.parametrize("views", [2, 3, 4])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_matches_the_oracle(views, temperature):
    arrays = np.random.default_rng(views).normal(size=(views, 6, 5))
    for one_sided in (False, True):
        found = values(*arrays, temperature=temperature, one_sided=one_sided)
        expected = oracle(*arrays, temperature=temperature)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("temperature", [0.01, 0.5])
def test_orthogonal_pairs_have_a_closed_form(temperature):
    """Equal views, all images at right angles: log(1 + 2 (B - 1) exp(-1 / T))."""
    for count in (2, 5):
        eye = np.eye(count)
        expected = math.log1p(2 * (count - 1) * math.exp(-1 / temperature))
        found = values(eye, 3 * eye, temperature=temperature)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_a_cold_temperature_overflows_nowhere():
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(2, 8, 4))
    found = values(*arrays, temperature=1e-3)
    assert np.all(np.isfinite(found)) and found.max() > 100
    gradient = gradient_of(lambda x: nt_xent(x, arrays[1], temperature=1e-3), arrays[0])
    assert np.all(np.isfinite(gradient))


def test_follows_a_permutation_and_ignores_lengths():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 7, 4))
    order = rng.permutation(7)
    plain = values(first, second)
    moved = values(first[order], second[order])
    np.testing.assert_allclose(moved, plain[np.r_[order, order + 7]], rtol=1e-4)
    lengths = rng.uniform(0.01, 100, (7, 1))
    np.testing.assert_allclose(values(first * lengths, second), plain, rtol=1e-4)
    swapped = values(second, first)
    np.testing.assert_allclose(swapped, np.roll(plain, 7), rtol=1e-4)
    assert not np.allclose(values(first[order], second), plain)


def test_gradients_against_finite_differences():
    first, second = np.random.default_rng(2).normal(size=(2, 4, 3))
    np.testing.assert_allclose(
        gradient_of(lambda x: nt_xent(x, second), first),
        finite_differences(lambda x: oracle(x, second).sum(), first),
        rtol=1e-3,
        atol=1e-5,
    )


def test_one_sided_gradients_are_those_with_fixed_keys():
    first, second = np.random.default_rng(3).normal(size=(2, 4, 3))
    keys = [row / np.linalg.norm(row) for view in (first, second) for row in view]

    def fixed(x):
        total = 0.0
        for i, row in enumerate(x):
            row = row / np.linalg.norm(row)
            scores = [row @ key / 0.5 for k, key in enumerate(keys) if k != i]
            total += math.log(sum(map(math.exp, scores))) - row @ keys[i + 4] / 0.5
        return total

    found = gradient_of(lambda x: nt_xent(x, second, one_sided=True), first)
    np.testing.assert_allclose(
        found, finite_differences(fixed, first), rtol=1e-3, atol=1e-5
    )
    both = gradient_of(lambda x: nt_xent(x, second), first)
    assert not np.allclose(found, both)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_gradients_are_finite_at_zero_and_in_half_precision(dtype):
    for point in (np.zeros((3, 2)), [[0, 0], [1, 1], [300, 0]]):
        point = np.asarray(point, float)
        gradient = gradient_of(lambda x: nt_xent(x, x), point, dtype)
        assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize(
    "views",
    [[(4, 3)], [(4, 3), (5, 3)], [(4, 3), (4, 2)], [(1, 3), (1, 3)], [(4,), (4,)]],
    ids=["one-view", "other-batches", "other-sizes", "batch-of-one", "no-matrix"],
)
def test_views_that_cannot_be_compared_are_refused(views):
    with pytest.raises(ValueError, match=r"`views` must .* Received: "):
        nt_xent(*(np.ones(shape, "float32") for shape in views))
