"""Splits: sizes, shares, disjointness, and equal results on each call."""

import numpy as np
import pytest

from keras_mpat import datasets
from keras_mpat.datasets import splits


def as_rows(x):
    return {image.tobytes() for image in x}


@pytest.mark.parametrize("name", ["digits", "digits_2"])
def test_digits_splits_partition_the_whole_set(name):
    parts = {
        split: datasets.arrays(name, split)
        for split in ("train", "validation", "test", "all")
    }
    sizes = {split: len(y) for split, (_, y, _) in parts.items()}
    assert sizes == datasets.info(name).sizes
    # No two of the 1797 images are equal, so sets of images count them.
    rows = {split: as_rows(x) for split, (x, _, _) in parts.items()}
    assert len(rows["all"]) == 1797
    assert rows["train"] | rows["validation"] | rows["test"] == rows["all"]
    assert sum(len(rows[s]) for s in ("train", "validation", "test")) == 1797
    for split, (_, y, modes) in parts.items():
        counts = np.bincount(modes, minlength=10)
        share = np.bincount(parts["all"][2]) * len(y) / 1797
        assert np.abs(counts - share).max() < 2, split
        np.testing.assert_array_equal(
            np.unique(y), range(10 if name == "digits" else 2)
        )


def test_digits_are_the_library_s():
    library = pytest.importorskip("sklearn.datasets").load_digits()
    x, y, modes = datasets.arrays("digits_2", "all")
    np.testing.assert_array_equal(x[..., 0] * 16, library.images)
    np.testing.assert_array_equal(modes, library.target)
    np.testing.assert_array_equal(y, library.target >= 5)
    assert (x.dtype, y.dtype, modes.dtype) == (np.float32, np.int32, np.int32)
    assert x.min() == 0.0 and x.max() == 1.0


def test_digits_constants_are_those_of_the_training_images():
    parts = [datasets.arrays("digits", s)[0] for s in ("train", "validation")]
    x = np.concatenate(parts)
    info = datasets.info("digits")
    np.testing.assert_allclose(x.mean(), info.mean[0], atol=1e-4)
    np.testing.assert_allclose(x.std(), info.std[0], atol=1e-4)


def test_the_seed_draws_another_validation_set_from_the_same_training_set():
    first = datasets.arrays("digits", "validation", seed=0)[0]
    again = datasets.arrays("digits", "validation", seed=0)[0]
    other = datasets.arrays("digits", "validation", seed=1)[0]
    np.testing.assert_array_equal(first, again)
    assert as_rows(first) != as_rows(other)
    assert not as_rows(other) & as_rows(datasets.arrays("digits", "test", seed=1)[0])
    train = datasets.arrays("digits", "train", seed=1)[0]
    assert not as_rows(other) & as_rows(train)


def test_callers_own_what_they_get():
    x, y, modes = datasets.arrays("digits", "all")
    x[:], y[:], modes[:] = 0.5, 1, 1
    assert datasets.arrays("digits", "all")[0].min() == 0.0
    assert set(datasets.arrays("digits", "all")[1]) == set(range(10))


@pytest.mark.parametrize(
    "validation, expected",
    [
        (None, 144),
        (0, 0),
        (100, 100),
        (np.int64(7), 7),
        (0.5, 719),
        (np.float32(0.1), 144),
    ],
)
def test_validation_size(validation, expected):
    sizes = [
        len(datasets.arrays("digits", split, validation=validation)[1])
        for split in ("train", "validation")
    ]
    assert sizes == [1438 - expected, expected]


@pytest.mark.parametrize("validation", [-1, 1438, 1.0, -0.1, True, "0.1", [3]])
def test_wrong_validation(validation):
    with pytest.raises(ValueError, match="`validation` must be .* Received: .*Pass"):
        datasets.arrays("digits", "train", validation=validation)


def test_validation_is_a_tenth_and_at_most_five_thousand():
    assert splits.validation_count(None, 1000) == 100
    assert splits.validation_count(None, 60_000) == 5000
    assert splits.validation_count(None, 3) == 1


@pytest.mark.parametrize("count", [0, 1, 7, 50, 100])
def test_stratified_shares(count):
    labels = np.repeat([3, 5, 9], [10, 30, 60])
    labels = labels[np.random.default_rng(0).permutation(100)]
    chosen = splits.stratified(labels, count, seed=4)
    assert len(set(chosen)) == count and list(chosen) == sorted(chosen)
    drawn = np.array([(labels[chosen] == label).sum() for label in (3, 5, 9)])
    assert np.abs(drawn - np.array([10, 30, 60]) * count / 100).max() < 1


def test_stratified_gives_the_rest_to_the_largest_remainders():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    # Shares of 7: 4.2, 2.1 and 0.7.
    assert np.bincount(labels[splits.stratified(labels, 7, seed=0)]).tolist() == [
        4,
        2,
        1,
    ]


def test_noise_depends_on_its_key_and_row_alone():
    rows = splits.uniform((50, 3), splits.AUGMENT, seed=1, epoch=2, dtype="f4")
    fewer = splits.uniform((7, 3), splits.AUGMENT, seed=1, epoch=2, dtype="f4")
    np.testing.assert_array_equal(fewer, rows[:7])
    keys = [
        (use, seed, epoch) for use in range(3) for seed in (1, 2) for epoch in (2, 3)
    ]
    streams = {
        splits.uniform((5,), use, seed=seed, epoch=epoch).tobytes()
        for use, seed, epoch in keys
    }
    assert len(streams) == 12


@pytest.mark.parametrize(
    "split, guess",
    [("all", ""), ("trian", "Did you mean 'train'"), ("Test", "Did you mean 'test'")],
)
def test_unknown_split(split, guess):
    message = rf"train, validation, test\. .*split='{split}'\. {guess}.*'mnist'"
    with pytest.raises(ValueError, match=message):
        datasets.arrays("mnist", split)


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_no_class_is_drawn_whole_while_others_have_more(count):
    labels = np.repeat(np.arange(4), [1, 1, 2, 10])
    chosen = splits.stratified(labels, count, seed=1)
    assert len(set(chosen)) == count
    assert set(labels[splits.complement(chosen, 14)]) == {0, 1, 2, 3}


def test_a_validation_set_that_takes_a_class_whole_is_refused():
    for validation in (1437, 1429):
        with pytest.raises(ValueError, match="`validation` must leave an example of"):
            datasets.arrays("digits", "train", validation=validation)
    assert len(set(datasets.arrays("digits", "train", validation=1428)[1])) == 10
