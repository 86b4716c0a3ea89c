"""knn_predict, retrieve and nearest_rows: oracles, ties, blocks, memory."""

import tracemalloc

import numpy as np
import pytest

from keras_mpat.evaluation import (
    knn_accuracy,
    knn_predict,
    nearest_rows,
    retrieve,
)
from keras_mpat.evaluation.latent import search

QUIET = {"verbose": False}


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks that no array divides evenly."""
    monkeypatch.setattr(search, "_QUERIES", 7)
    monkeypatch.setattr(search, "_REFERENCES", 11)


def points(size, seed=0, features=6):
    """Directions on a grid: many cosines are equal."""
    return np.random.default_rng(seed).integers(-2, 3, (size, features)) + 0.0


def cosines(queries, reference):
    def directions(rows):
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.where(lengths > 0, lengths, 1)

    return directions(queries) @ directions(reference).T


def exact(size, seed=0):
    """Points whose cosines, multiples of 1/4, are exact in float32: ties are ties."""
    return np.random.default_rng(seed).choice([-1.0, 1.0], (size, 4))


def test_the_nearest_rows_and_of_equals_the_first(small_blocks):
    reference, queries = exact(50), exact(30, 1)
    rows, found = nearest_rows(reference, queries, count=20, **QUIET)
    expected = cosines(queries, reference)
    order = np.argsort(-expected, axis=1, kind="stable")[:, :20]
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_allclose(found, np.take_along_axis(expected, order, 1))
    all_rows, _ = nearest_rows(reference, queries, count=50, **QUIET)
    np.testing.assert_array_equal(np.sort(all_rows), np.tile(np.arange(50), (30, 1)))


def test_excluded_rows_are_not_found(small_blocks):
    reference = exact(40)
    exclude = np.arange(40)
    exclude[3] = -1
    rows, _ = nearest_rows(reference, reference, count=39, exclude=exclude, **QUIET)
    assert not np.any(rows[exclude >= 0] == np.arange(40)[exclude >= 0, None])
    assert 3 in rows[3]


def slow_vote(reference, labels, queries, neighbors):
    near = cosines(queries, reference)
    found = []
    for row in near:
        chosen = np.argsort(-row, kind="stable")[:neighbors]
        votes = {}
        for n in chosen:
            count, total = votes.get(labels[n], (0, 0.0))
            votes[labels[n]] = (count + 1, total + 1 - row[n])
        found.append(min(votes, key=lambda c: (-votes[c][0], votes[c][1], c)))
    return np.array(found)


@pytest.mark.parametrize("neighbors", [1, 2, 5, 12, 50])
def test_votes_with_ties(small_blocks, neighbors):
    rng = np.random.default_rng(5)
    reference, queries = exact(50), exact(40, 1)
    labels = rng.integers(0, 4, 50)
    found = knn_predict(reference, labels, queries, neighbors=neighbors, **QUIET)
    np.testing.assert_array_equal(
        found, slow_vote(reference, labels, queries, neighbors)
    )


def test_of_as_many_votes_the_nearer_class_wins():
    # Class 1 has the nearest, class 0 the two that are nearer in sum.
    angles = np.deg2rad([20, 25, 0, 80])
    reference = np.stack([np.cos(angles), np.sin(angles)], -1)
    query = [[3.0, 0.0]]
    assert knn_predict(reference, [0, 0, 1, 1], query, neighbors=4).tolist() == [0]
    assert knn_predict(reference, [0, 0, 1, 1], query, neighbors=1).tolist() == [1]
    # A class of three votes beats a nearer one of one.
    assert knn_predict(reference, [0, 0, 1, 0], query, neighbors=4).tolist() == [0]


@pytest.mark.parametrize("neighbors", [1, 5, 51])
def test_scikit_learn_agrees_where_nothing_is_tied(neighbors):
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(6)
    reference, queries = rng.normal(size=(300, 8)), rng.normal(size=(100, 8))
    labels = rng.integers(0, 2, 300)  # two classes, odd K: no tie
    other = KNeighborsClassifier(neighbors, metric="cosine", algorithm="brute")
    expected = other.fit(reference, labels).predict(queries)
    found = knn_predict(reference, labels, queries, neighbors=neighbors, **QUIET)
    np.testing.assert_array_equal(found, expected)


def test_an_example_finds_itself_and_noise_is_at_chance():
    rng = np.random.default_rng(7)
    reference = rng.normal(size=(3000, 16)) * rng.uniform(0.1, 9, (3000, 1))
    labels = rng.integers(0, 10, 3000)
    assert knn_accuracy(reference, labels, reference, labels, neighbors=1) == 1.0
    queries, truth = rng.normal(size=(2000, 16)), rng.integers(0, 10, 2000)
    chance = knn_accuracy(reference, labels, queries, truth, **QUIET)
    assert abs(chance - 0.1) < 4 * np.sqrt(0.09 / 2000)


def test_retrieval_and_its_precision():
    angles = np.deg2rad([0, 4, 10, 40, 90])
    gallery = np.stack([np.cos(angles), np.sin(angles)], -1)
    labels = np.array([0, 1, 0, 0, 1])
    found = retrieve(gallery, labels, gallery[[2, 4]], [0, 1], count=3, exclude=[2, 4])
    assert found.rows.tolist() == [[1, 0, 3], [3, 2, 1]]
    assert found.right.tolist() == [[False, True, True], [False, False, True]]
    np.testing.assert_allclose(found.precision, [0, 1 / 4, 3 / 6])
    assert found.to_dict() == {"queries": 2, "precision": [0.0, 0.25, 0.5]}
    moved = retrieve(gallery, labels, -gallery[:1], [1], count=1)
    assert moved.rows.tolist() == [[4]]


def test_a_query_never_finds_itself():
    gallery = np.repeat(points(6), 2, axis=0)  # each has a twin, which it may find
    labels = np.arange(12) // 2
    found = retrieve(gallery, labels, gallery.copy(), labels, count=11)
    assert not np.any(found.rows == np.arange(12)[:, None])
    assert np.all(np.sort(found.rows)[:, :-1] < np.sort(found.rows)[:, 1:])
    with pytest.raises(ValueError, match="at most the number of rows to be found, 11"):
        retrieve(gallery, labels, gallery, labels, count=12)


@pytest.mark.slow
def test_memory_of_a_data_set():
    rng = np.random.default_rng(8)
    reference = rng.random((50_000, 512), "float32")
    labels = np.arange(50_000) % 10
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    knn_predict(reference, labels, reference[:600], **QUIET)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < 400e6  # a copy of the reference is 102 MB
