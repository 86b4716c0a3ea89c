"""TLA's triplets: published values, planted batches for known faults, gradients."""

import math

import numpy as np
import pytest
from keras import ops

from keras_mpat.losses.angular_triplet import (
    angular_distance,
    angular_triplet,
    feature_norms,
    hardest_negatives,
)
from tests.losses.gradients import gradient_of
from tests.oracles import finite_differences

A = np.array([[1, 0], [0.5, 0.5]])
P = np.array([[1, 1], [0.2, 0.9]])
N = np.array([[0, 2], [0.9, 0.1]])
OPPOSITE = np.array([[-1, 0.1]])
FUNCTIONS = {
    "distance": lambda x: angular_distance(x, ops.flip(x, axis=0)),
    "triplet": lambda x: angular_triplet(x, P, N, 1.0, np.array([True, True])),
    "norms-paper": lambda x: feature_norms(x, P, N, form="paper"),
    "norms-code": lambda x: feature_norms(x, P, N, form="code"),
}
EACH = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def distance(u, v):
    """1 - |cos| of two vectors, term by term."""
    product = sum(a * b for a, b in zip(u, v, strict=True))
    return 1 - abs(product) / math.hypot(*u) / math.hypot(*v)


def hinges(a, p, n, margin):
    triplets = zip(a, p, n, strict=True)
    return [max(distance(x, y) - distance(x, z) + margin, 0) for x, y, z in triplets]


def hardest(anchor, pool, label, pool_labels):
    """The row of another class that is nearest, by a search in order."""
    found, best = None, 2.0
    for row, (vector, other) in enumerate(zip(pool, pool_labels, strict=True)):
        far = distance(anchor, vector)
        if other not in (label, -1) and far < best:
            found, best = row, far
    return found


def test_published_distances_take_the_absolute_value():
    np.testing.assert_allclose(
        numpy(angular_distance(A, P)), [0.29289322, 0.15633851], rtol=1e-5
    )
    np.testing.assert_allclose(
        numpy(angular_distance(A, N)), [1, 0.21913119], rtol=1e-5
    )
    signed = 1 + 1 / math.sqrt(1.01)
    assert signed == pytest.approx(1.995, abs=1e-4)
    near = float(angular_distance(A[:1], OPPOSITE)[0])
    assert near == pytest.approx(0.00496281, rel=1e-4)
    np.testing.assert_allclose(numpy(angular_distance(A, -A)), 0, atol=1e-6)


def test_published_hinges():
    one, both = np.array([True]), np.array([True, True])
    hinge = angular_triplet(A[:1], P[:1], N[:1], 1.0, one)
    assert float(hinge[0]) == pytest.approx(0.29289322, rel=1e-5)
    hinge = angular_triplet(A[:1], P[:1], OPPOSITE, 0.03, one)
    assert float(hinge[0]) == pytest.approx(0.31793041, rel=1e-5)
    np.testing.assert_array_equal(numpy(angular_triplet(A, P, N, 0.03, both)), 0.0)


def test_published_feature_norms():
    first = A[:1], P[:1], N[:1]
    assert float(ops.mean(feature_norms(*first))) == pytest.approx(4.41421356, rel=1e-6)
    assert float(ops.mean(feature_norms(*first, form="code"))) == pytest.approx(
        3.5, rel=1e-6
    )
    code = float(ops.mean(feature_norms(A, P, N, form="code")))
    assert code == pytest.approx(2.2925, rel=1e-6)
    hinge = float(ops.mean(angular_triplet(A, P, N, 0.03, np.array([True, True]))))
    assert 2 * (hinge + 1e-3 * code) == pytest.approx(0.004585, rel=1e-5)


@pytest.mark.parametrize("margin", [0.03, 0.5, 1.0])
def test_matches_the_oracle(margin):
    a, p, n = np.random.default_rng(1).normal(size=(3, 9, 5))
    np.testing.assert_allclose(
        numpy(angular_triplet(a, p, n, margin, np.ones(9, bool))),
        hinges(a, p, n, margin),
        rtol=1e-4,
        atol=1e-6,
    )


def test_without_a_negative_there_is_no_loss_and_no_gradient():
    exists = np.array([True, False])
    values = numpy(angular_triplet(A, P, N, 1.0, exists))
    assert values[0] > 0 and values[1] == 0
    gradient = gradient_of(lambda x: angular_triplet(x, P, N, 1.0, exists), A)
    assert np.any(gradient[0] != 0) and not np.any(gradient[1])


def test_mining_matches_a_search_and_leaves_empty_slots():
    rng = np.random.default_rng(2)
    anchors, pool = rng.normal(size=(12, 4)), rng.normal(size=(30, 4))
    labels, pool_labels = rng.integers(0, 3, 12), rng.integers(-1, 3, 30)
    indices, exists = hardest_negatives(anchors, pool, labels, pool_labels)
    expected = [
        hardest(anchor, pool, label, pool_labels)
        for anchor, label in zip(anchors, labels, strict=True)
    ]
    np.testing.assert_array_equal(numpy(indices), expected)
    assert numpy(indices).dtype == "int32" and np.all(numpy(exists))


def test_the_planted_negative_is_found_by_its_absolute_cosine():
    # Signed cosines would choose row 1; a multiplied mask, the anchor itself in row 0.
    anchors = np.array([[1.0, 0.0]])
    pool = np.array([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.1], [0.0, 1.0]])
    (index,), (exists,) = hardest_negatives(anchors, pool, [0], [0, 1, 1, 2])
    assert (int(index), bool(exists)) == (2, True)


def test_if_all_cosines_are_negative_no_row_of_the_same_class_is_chosen():
    anchors = np.array([[1.0, 0.0], [0.9, 0.05]])
    pool = np.array([[1.0, 0.2], [-0.1, 1.0], [-0.3, 1.0], [0.9, 0.0]])
    cosines = anchors @ pool.T
    assert np.all(cosines[:, [1, 2]] < 0) and np.all(cosines[:, [0, 3]] > 0)
    labels, pool_labels = np.array([0, 0]), np.array([0, 1, 1, 0])
    same_class = np.argmax(cosines * (labels[:, None] != pool_labels), axis=-1)
    assert set(pool_labels[same_class]) == {0}  # what the published code does
    indices, exists = hardest_negatives(anchors, pool, labels, pool_labels)
    np.testing.assert_array_equal(numpy(indices), [2, 2])
    assert np.all(numpy(exists))


def test_orthogonal_rows_of_another_class_still_win_over_the_same_class():
    pool = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    (index,), (exists,) = hardest_negatives([[1.0, 0.0]], pool, [4], [4, 4, 1])
    assert (int(index), bool(exists)) == (2, True)


def test_a_batch_of_one_class_and_an_empty_pool_have_no_negatives():
    for pool_labels in ([1, 1], [-1, -1], [1, -1]):
        _, exists = hardest_negatives(A, P, [1, 1], pool_labels)
        assert not np.any(numpy(exists))
    _, exists = hardest_negatives(A, P, [1, 0], [1, 1])
    np.testing.assert_array_equal(numpy(exists), [False, True])


def test_mining_follows_a_permutation_and_ignores_lengths():
    rng = np.random.default_rng(3)
    anchors, pool = rng.normal(size=(8, 5)), rng.normal(size=(16, 5))
    labels, pool_labels = np.arange(8) % 3, np.arange(16) % 3
    indices = numpy(hardest_negatives(anchors, pool, labels, pool_labels)[0])
    order = rng.permutation(16)
    moved = hardest_negatives(anchors, pool[order], labels, pool_labels[order])[0]
    np.testing.assert_array_equal(order[numpy(moved)], indices)
    longer = pool * rng.uniform(0.01, 100, (16, 1))
    again = hardest_negatives(7 * anchors, longer, labels, pool_labels)[0]
    np.testing.assert_array_equal(numpy(again), indices)


def test_the_hinge_ignores_lengths_and_follows_a_permutation():
    rng = np.random.default_rng(4)
    a, p, n = rng.normal(size=(3, 6, 4))
    exists = np.arange(6) != 2
    values = numpy(angular_triplet(a, p, n, 0.5, exists))
    scaled = numpy(angular_triplet(9 * a, 0.01 * p, 300 * n, 0.5, exists))
    np.testing.assert_allclose(scaled, values, rtol=1e-5, atol=1e-6)
    order = rng.permutation(6)
    moved = angular_triplet(a[order], p[order], n[order], 0.5, exists[order])
    np.testing.assert_allclose(numpy(moved), values[order], rtol=1e-6)


def test_gradient_against_finite_differences():
    a, p, n = np.random.default_rng(5).normal(size=(3, 5, 3))
    exists = np.ones(5, bool)
    np.testing.assert_allclose(
        gradient_of(lambda x: angular_triplet(x, p, n, 0.4, exists), a),
        finite_differences(lambda x: sum(hinges(x, p, n, 0.4)), a),
        rtol=1e-3,
        atol=1e-5,
    )


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_gradients_are_finite_at_zero_and_in_half_precision(function, dtype):
    for point in (np.zeros((2, 2)), [[0, 0], [1, 1]], [[400, 300], [1e-4, 0]]):
        gradient = gradient_of(function, np.asarray(point, float), dtype)
        assert np.all(np.isfinite(gradient))


def test_long_vectors_in_half_precision_keep_their_distance():
    u, v = np.array([[400.0, 300.0]]), np.array([[300.0, 400.0]])
    found = angular_distance(u.astype("float16"), v.astype("float16"))
    assert float(found[0]) == pytest.approx(0.04, rel=1e-4)  # squares pass 65504
