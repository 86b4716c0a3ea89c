"""Balanced batches: equal classes, different examples, exact resume."""

import numpy as np
import pytest

from keras_mpat import datasets
from keras_mpat.datasets import splits
from keras_mpat.datasets.plans import Balanced, class_members

# 5 classes of 6, 7, ..., 10 examples, mixed; a pixel tells the index.
SIZES = np.arange(6, 11)
Y = np.random.default_rng(0).permutation(np.repeat([0, 2, 3, 5, 9], SIZES))
X = np.arange(40, dtype="float32").reshape(40, 1, 1, 1) / 40


def indices(x):
    return np.rint(np.asarray(x)[:, 0, 0, 0] * 40).astype(int)


def batches(data):
    return [(indices(x), np.asarray(y)) for x, y in data]


def balanced(**options):
    fields = dict(classes_per_batch=3, examples_per_class=4, seed=1)
    return datasets.balanced(X, Y, **{**fields, **options})


@pytest.mark.parametrize("classes", [1, 3, 5, None])
@pytest.mark.parametrize("examples", [1, 4, 6])
def test_a_batch_has_equally_many_different_examples_of_each_class(classes, examples):
    data = balanced(classes_per_batch=classes, examples_per_class=examples, steps=9)
    count = classes or 5
    for rows, labels in batches(data):
        np.testing.assert_array_equal(labels, Y[rows])
        groups = labels.reshape(count, examples)
        assert (groups == groups[:, :1]).all()
        assert len(set(groups[:, 0])) == count
        assert len(set(rows)) == count * examples


def test_classes_take_turns_at_every_moment():
    taken = dict.fromkeys([0, 2, 3, 5, 9], 0)
    for _, labels in batches(balanced(steps=20)):
        for label in set(labels.tolist()):
            taken[label] += 1
        assert max(taken.values()) - min(taken.values()) <= 1
    assert sum(taken.values()) == 60


def test_a_class_shows_all_full_groups_before_it_repeats():
    seen = {label: [] for label in set(Y.tolist())}
    for rows, labels in batches(balanced(examples_per_class=2, steps=30)):
        for label in seen:
            seen[label] += rows[labels == label].tolist()
    for label, rows in seen.items():
        members = np.flatnonzero(label == Y)
        full = len(members) // 2 * 2
        rounds = [rows[i : i + full] for i in range(0, len(rows), full)]
        assert len(rounds) > 2
        assert all(len(set(part)) == len(part) for part in rounds)
        assert set(rows) == set(members)


def test_the_default_pass_shows_equal_classes_once():
    y = np.repeat(np.arange(4), 10)
    data = datasets.balanced(X, y, classes_per_batch=2, examples_per_class=5)
    assert len(data) == 4
    rows = np.concatenate([rows for rows, _ in batches(data)])
    assert sorted(rows) == list(range(40))
    assert len(balanced(classes_per_batch=5, examples_per_class=6)) == 1


def test_passes_differ_and_resume():
    data = balanced(steps=6, augment=datasets.PadCropFlip(padding=0))
    passes = [np.concatenate([rows for rows, _ in batches(data)]) for _ in range(3)]
    assert not np.array_equal(passes[0], passes[1])
    resumed = np.concatenate([rows for rows, _ in batches(balanced(steps=6, epoch=2))])
    np.testing.assert_array_equal(resumed, passes[2])
    other = np.concatenate([rows for rows, _ in batches(balanced(steps=6, seed=2))])
    assert not np.array_equal(other, passes[0])


def test_more_steps_begin_with_the_same_batches():
    few, many = batches(balanced(steps=4)), batches(balanced(steps=9))
    for (rows, _), (again, _) in zip(few, many, strict=False):
        np.testing.assert_array_equal(rows, again)


def test_an_example_shown_twice_gets_new_noise():
    plan = Balanced(np.repeat([0, 1], 2), 2, 2, 50, seed=0)
    rows, noise = plan.tables(0, 3)
    assert np.bincount(rows).tolist() == [50] * 4
    assert len(np.unique(noise, axis=0)) == 200


def test_class_members():
    members = class_members(np.array([4, 1, 4, 9, 1]))
    assert [rows.tolist() for rows in members] == [[1, 4], [0, 2], [3]]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"classes_per_batch": 6}, "`classes_per_batch` must be at most the 5"),
        ({"classes_per_batch": 0}, "`classes_per_batch` must be an integer"),
        ({"examples_per_class": 7}, r"smallest class \(6 examples of class 0\)"),
        ({"examples_per_class": 0}, "`examples_per_class` must be an integer"),
        ({"steps": 0}, "`steps` must be an integer"),
        ({"seed": -1}, "`seed` must be an integer"),
        ({"augment": "flip"}, "`augment` must be"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        balanced(**options)


def test_a_small_class_draws_numbers_for_its_own_members_alone(monkeypatch):
    drawn = []

    def uniform(shape, use, **key):
        if use == splits.EXAMPLES:
            drawn.append((shape, key["stream"]))
        return plain(shape, use, **key)

    plain = splits.uniform
    monkeypatch.setattr(splits, "uniform", uniform)
    Balanced(np.repeat([0, 7], [1000, 2]), 2, 2, 500, seed=0).tables(0, 0)
    assert drawn == [((1, 1000), 0), ((500, 2), 7)]


def test_classes_of_one_size_have_orders_of_their_own():
    rows, _ = Balanced(np.repeat([0, 1], 50), 2, 50, 1, seed=0).tables(0, 0)
    first, second = sorted((rows[:50] % 50, rows[50:] % 50), key=tuple)
    assert not np.array_equal(first, second)
