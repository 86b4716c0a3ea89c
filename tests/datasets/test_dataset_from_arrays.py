"""The user's own arrays: conversion, and a clear error for each wrong input."""

import keras
import numpy as np
import pytest

from keras_mpat import datasets

IMAGES = np.arange(256, dtype="uint8").reshape(4, 8, 8, 1)
LABELS = np.array([0, 1, 1, 2])


def one_pass(*args, **options):
    pairs = list(datasets.from_arrays(*args, **options).as_numpy_iterator())
    return np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs])


def test_gray_levels_become_fractions():
    x, y = one_pass(IMAGES, LABELS, batch_size=3)
    np.testing.assert_array_equal(
        x.ravel(), np.arange(256, dtype="f4") / np.float32(255)
    )
    np.testing.assert_array_equal(y, LABELS)
    assert (x.dtype, y.dtype) == (np.float32, np.int32)


@pytest.mark.parametrize("bounds", [(0, 255), (-1.0, 1.0), (0.0, 2.0)])
def test_gray_levels_fill_other_bounds(bounds):
    x, _ = one_pass(IMAGES, LABELS, bounds=bounds)
    low, high = bounds
    expected = low + (high - low) * np.arange(256) / 255
    np.testing.assert_allclose(x.ravel(), expected, rtol=1e-6, atol=1e-7)
    assert (x.min(), x.max()) == bounds
    if bounds == (0, 255):
        np.testing.assert_array_equal(x, IMAGES.astype("float32"))


def test_floats_within_bounds_pass_unchanged():
    x = np.random.default_rng(0).random((5, 3, 3, 2))
    result, _ = one_pass(x, np.arange(5), batch_size=2)
    np.testing.assert_array_equal(result, x.astype("float32"))
    result, _ = one_pass(200 * x, np.arange(5), bounds=(0.0, 255.0))
    np.testing.assert_array_equal(result, (200 * x).astype("float32"))


@pytest.mark.parametrize(
    "shape, expected", [((4, 6, 5), (4, 6, 5, 1)), ((4, 9), (4, 9))]
)
def test_shapes(shape, expected):
    x, _ = one_pass(np.zeros(shape), LABELS)
    assert x.shape == expected


def test_column_of_labels():
    _, y = one_pass(IMAGES, LABELS[:, None].astype("uint8"))
    np.testing.assert_array_equal(y, LABELS)


def test_remainder():
    def sizes(**options):
        return [len(y) for _, y in datasets.from_arrays(IMAGES, LABELS, **options)]

    assert sizes(batch_size=3) == [3, 1]
    assert sizes(batch_size=3, drop_remainder=True) == [3]
    assert sizes(batch_size=5, drop_remainder=True) == [4]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the specs of tf.data"
)
def test_batches_of_one_size_have_a_static_shape():
    data = datasets.from_arrays(IMAGES, LABELS, batch_size=3, drop_remainder=True)
    assert data.element_spec[0].shape == (3, 8, 8, 1)
    data = datasets.from_arrays(IMAGES, LABELS, batch_size=3)
    assert data.element_spec[0].shape == (None, 8, 8, 1)


def test_a_change_of_the_labels_afterwards_does_not_reach_the_stream():
    labels = LABELS.astype("int32")
    data = datasets.from_arrays(IMAGES, labels)
    labels[:] = 7
    np.testing.assert_array_equal(next(iter(data))[1], LABELS)


FLOATS = IMAGES / 255.0
NAN = np.where(FLOATS == 1.0, np.nan, FLOATS)


@pytest.mark.parametrize(
    "x, message",
    [
        (IMAGES.astype("float32"), r"values from 0 to 255\. .*x / 255\.0"),
        (2 * FLOATS - 1, r"values from -1 to 1\. .*\(x \+ 1\) / 2"),
        (NAN, "finite. Received: x with 1 values that are NaN"),
        (np.where(FLOATS == 1, np.inf, FLOATS), "finite. Received: x with 1 values"),
        (IMAGES.astype("int64"), r"dtype int64\. .*astype\('uint8'\)"),
        (FLOATS > 0.5, "dtype bool"),
        ((FLOATS > 0.5).astype("uint8"), r"largest value 1\. .*astype\('float32'\)"),
        (FLOATS[:0], r"at least one image.*shape \(0, 8, 8, 1\)"),
        (np.zeros(4), r"image\[None\]"),
    ],
)
def test_wrong_images(x, message):
    with pytest.raises(ValueError, match=f"`x` must .*{message}"):
        datasets.from_arrays(x, LABELS)


@pytest.mark.parametrize(
    "y, message",
    [
        (LABELS[:3], "3 labels for 4 images"),
        (np.eye(4, dtype=int), r"shape \(4, 4\)\. .*np\.argmax"),
        (LABELS.astype(float), r"dtype float64\. .*astype\('int32'\)"),
        (LABELS == 1, "dtype bool"),
        (LABELS - 1, r"smallest label -1\. "),
    ],
)
def test_wrong_labels(y, message):
    with pytest.raises(ValueError, match=f"`y` must .*{message}"):
        datasets.from_arrays(IMAGES, y)


@pytest.mark.parametrize("bounds", [(1.0, 0.0), (0.0, np.inf), (0.5, 0.5)])
def test_wrong_bounds(bounds):
    with pytest.raises(ValueError, match="`bounds` must be two finite numbers"):
        datasets.from_arrays(IMAGES, LABELS, bounds=bounds)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"seed": 2**64}, r"`seed` must be an integer >= 0 and < 2\*\*64"),
        ({"seed": 1.5}, "`seed` must be an integer"),
        ({"epoch": 2**48}, r"`epoch` must be an integer >= 0 and < 2\*\*48"),
    ],
)
def test_numbers_outside_the_key_of_the_noise(options, message):
    with pytest.raises(ValueError, match=message):
        datasets.from_arrays(IMAGES, LABELS, shuffle=True, **options)


def test_the_largest_seed_and_epoch_work():
    rows = []
    for seed in (2**64 - 1, np.uint64(2**64 - 1)):
        options = dict(shuffle=True, seed=seed, epoch=2**48 - 1)
        data = datasets.from_arrays(IMAGES, LABELS, **options)
        rows.append(np.asarray(next(iter(data))[0]))
    np.testing.assert_array_equal(*rows)
