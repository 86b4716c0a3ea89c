"""N-pair: published values, Sohn's form, one pair per class, gradients."""

import math

import numpy as np
import pytest
from keras import ops

from keras_mpat.losses.n_pair import n_pair, n_pair_l2, one_pair_per_class
from tests.losses.gradients import gradient_of
from tests.oracles import cross_entropy, finite_differences, normalized

A = np.array([[1.0, 0], [0, 1], [1, 1]])
P = np.array([[1, 0.5], [0, 2], [1, 1]])
APART, REPEATED = np.array([0, 1, 2]), np.array([0, 1, 0])


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def soft_targets(anchors, positives, labels, used=None):
    """The mean of the cross-entropies against each column of the row's class."""
    used = range(len(labels)) if used is None else np.flatnonzero(used)
    losses = np.zeros(len(labels))
    for i in used:
        logits = [float(np.dot(anchors[i], positives[j])) for j in used]
        same = [k for k, j in enumerate(used) if labels[j] == labels[i]]
        losses[i] = np.mean([cross_entropy(logits, k) for k in same])
    return losses


def test_published_values():
    np.testing.assert_allclose(
        numpy(n_pair(A, P, APART)), [0.8619948, 0.46436878, 0.95802009], rtol=1e-5
    )
    assert numpy(n_pair(A, P, APART)).mean() == pytest.approx(0.76146123, rel=1e-5)
    assert numpy(n_pair(A, P, REPEATED)).mean() == pytest.approx(0.84479456, rel=1e-5)
    cosines = numpy(n_pair(A, P, APART, normalize=True))
    assert cosines.mean() == pytest.approx(0.87986017, rel=1e-5)
    assert float(ops.mean(n_pair_l2(A, P))) == pytest.approx(0.001875, rel=1e-5)
    assert float(ops.mean(n_pair_l2(A, P, 0.02))) == pytest.approx(0.01875, rel=1e-5)


def test_with_one_pair_per_class_it_is_the_sum_of_the_paper():
    rng = np.random.default_rng(0)
    a, p = rng.normal(size=(2, 6, 4))
    expected = [
        math.log(
            1 + sum(math.exp(a[i] @ p[j] - a[i] @ p[i]) for j in range(6) if j != i)
        )
        for i in range(6)
    ]
    np.testing.assert_allclose(
        numpy(n_pair(a, p, np.arange(6))), expected, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("normalize", [False, True], ids=["products", "cosines"])
@pytest.mark.parametrize("some", [False, True], ids=["all", "some"])
def test_matches_the_oracle(normalize, some):
    rng = np.random.default_rng(1)
    a, p = rng.normal(size=(2, 10, 4))
    labels = rng.integers(0, 3, 10)
    used = rng.random(10) < 0.6 if some else None
    found = numpy(n_pair(a, p, labels, used=used, normalize=normalize))
    if normalize:
        a, p = (np.array([normalized(row) for row in part]) for part in (a, p))
    expected = soft_targets(a, p, labels, used)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_what_is_not_used_changes_nothing():
    rng = np.random.default_rng(2)
    a, p = rng.normal(size=(2, 5, 3))
    used = np.array([True, False, True, True, False])
    labels = np.array([0, 0, 1, 0, 2])
    values = numpy(n_pair(a, p, labels, used=used))
    assert np.all(values[~used] == 0) and np.all(values[used] > 0)
    alone = n_pair(a[used], p[used], labels[used])
    np.testing.assert_allclose(values[used], numpy(alone), rtol=1e-5)
    gradient = gradient_of(lambda x: n_pair(x, p, labels, used=used), a)
    assert np.all(gradient[~used] == 0) and np.all(np.abs(gradient[used]).max(-1) > 0)


def test_no_pair_at_all_is_no_loss():
    values = n_pair(A, P, APART, used=np.zeros(3, bool))
    np.testing.assert_array_equal(numpy(values), 0.0)
    gradient = gradient_of(lambda x: n_pair(x, P, APART, used=np.zeros(3, bool)), A)
    np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize(
    ("labels", "exists", "expected"),
    [
        ([0, 1, 0, 1, 2], None, [1, 1, 0, 0, 1]),
        ([1, 1, 1], None, [1, 0, 0]),
        ([0, 1, 0, 1, 2], [0, 1, 1, 1, 0], [0, 1, 1, 0, 0]),
        ([0, 1], [0, 0], [0, 0]),
    ],
    ids=["first", "one-class", "only-with-a-positive", "none"],
)
def test_one_pair_per_class_is_the_first_that_exists(labels, exists, expected):
    exists = None if exists is None else np.array(exists, bool)
    found = one_pair_per_class(np.array(labels), exists)
    np.testing.assert_array_equal(numpy(found), np.array(expected, bool))


def test_two_classes_leave_two_pairs_of_a_batch():
    found = one_pair_per_class(np.arange(128) % 2)
    assert numpy(found).sum() == 2


def test_follows_a_permutation_and_cosines_ignore_lengths():
    rng = np.random.default_rng(3)
    a, p = rng.normal(size=(2, 7, 4))
    labels, order = rng.integers(0, 3, 7), rng.permutation(7)
    values = numpy(n_pair(a, p, labels))
    moved = numpy(n_pair(a[order], p[order], labels[order]))
    np.testing.assert_allclose(moved, values[order], rtol=1e-4)
    cosines = numpy(n_pair(a, p, labels, normalize=True))
    scaled = numpy(n_pair(50 * a, 0.1 * p, labels, normalize=True))
    np.testing.assert_allclose(scaled, cosines, rtol=1e-5)
    assert not np.allclose(numpy(n_pair(2 * a, p, labels)), values)


def test_far_apart_classes_cost_nothing_and_large_products_stay_finite():
    far = 100 * np.eye(3)
    np.testing.assert_allclose(numpy(n_pair(far, far, APART)), 0.0, atol=1e-3)
    crossed = numpy(n_pair(far, far[[1, 2, 0]], APART))
    np.testing.assert_allclose(crossed, 1e4, rtol=1e-5)


def test_gradient_against_finite_differences():
    a, p = np.random.default_rng(4).normal(size=(2, 4, 3))
    labels = np.array([0, 1, 0, 2])
    np.testing.assert_allclose(
        gradient_of(lambda x: n_pair(x, p, labels), a),
        finite_differences(lambda x: soft_targets(x, p, labels).sum(), a),
        rtol=1e-3,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        gradient_of(lambda x: n_pair_l2(x, p), a), 0.5 * 0.002 * a, rtol=1e-4
    )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_gradients_are_finite_at_zero_and_in_half_precision(dtype):
    for normalize in (False, True):
        for point in (np.zeros((3, 2)), [[0, 0], [1, 1], [300, 0]]):

            def goal(x, normalize=normalize):
                return n_pair(x, x, REPEATED, normalize=normalize) + n_pair_l2(x, x)

            gradient = gradient_of(goal, np.asarray(point, float), dtype)
            assert np.all(np.isfinite(gradient))
