"""Augmentation: the right pixels, a function of (seed, epoch, index) alone."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest

from keras_mpat import datasets
from keras_mpat.datasets.passes import Passes
from keras_mpat.datasets.plans import EachOnce

RAMP = (np.arange(1, 61, dtype="float32") / 60).reshape(1, 4, 5, 3)


def images(count=40, shape=(6, 7, 3)):
    return np.random.default_rng(0).random((count, *shape), dtype="float32")


def one_pass(x, **options):
    data = datasets.from_arrays(x, np.arange(len(x)), **options)
    return np.concatenate([np.asarray(batch) for batch, _ in data])


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("row, column", [(0, 0), (4, 4), (1, 3), (2, 2)])
@pytest.mark.parametrize("mirror", [0.0, 0.49, 0.5, 0.99])
def test_crop_and_flip_of_a_known_image(row, column, mirror, flip):
    noise = np.array([[(row + 0.5) / 5, (column + 0.5) / 5, mirror]], "float32")
    result = datasets.PadCropFlip(padding=2, flip=flip)(RAMP, noise)[0]
    padded = np.pad(RAMP[0], [(2, 2), (2, 2), (0, 0)])
    expected = padded[row : row + 4, column : column + 5]
    if flip and mirror < 0.5:
        expected = expected[:, ::-1]
    np.testing.assert_array_equal(result, expected)


def test_extreme_noise_stays_inside_the_padding():
    top = np.nextafter(np.float32(1), np.float32(0))
    result = datasets.PadCropFlip(padding=3)(RAMP, np.full((1, 3), top))[0]
    np.testing.assert_array_equal(result[:1, :2], RAMP[0, 3:, 3:])
    assert not result[1:].any() and not result[:, 2:].any()


def test_all_shifts_and_both_mirrors_are_drawn_evenly():
    x = np.zeros((9000, 5, 5, 1), "float32")
    x[:, 2, 2] = 1.0
    centers = np.argwhere(one_pass(x, augment=datasets.PadCropFlip(padding=1)))[:, 1:3]
    counts = np.bincount(3 * (centers[:, 0] - 1) + centers[:, 1] - 1, minlength=9)
    # Nine outcomes of 1000 expected each; 5 standard deviations are 149.
    assert np.abs(counts - 1000).max() < 149
    ramp = np.repeat(RAMP, 4000, axis=0)
    mirrored = one_pass(ramp, augment=datasets.PadCropFlip(padding=0))[:, 0, 0, 0]
    assert abs((mirrored != RAMP[0, 0, 0, 0]).mean() - 0.5) < 0.04


def test_pixels_do_not_depend_on_batch_size_or_number_of_images():
    crop = datasets.PadCropFlip(padding=2)
    whole = one_pass(images(), augment=crop, batch_size=40, seed=3, epoch=2)
    for size in (1, 7, 16):
        part = one_pass(images(), augment=crop, batch_size=size, seed=3, epoch=2)
        np.testing.assert_array_equal(part, whole)
    fewer = one_pass(images()[:11], augment=crop, batch_size=40, seed=3, epoch=2)
    np.testing.assert_array_equal(fewer, whole[:11])


def test_shuffling_does_not_change_the_pixels():
    options = dict(augment=datasets.PadCropFlip(padding=2), batch_size=9, epoch=1)
    plain = one_pass(images(), **options)
    data = datasets.from_arrays(images(), np.arange(40), shuffle=True, **options)
    for batch, labels in data:
        np.testing.assert_array_equal(batch, plain[labels])


def test_epochs_and_seeds_differ():
    crop = datasets.PadCropFlip(padding=2)
    data = datasets.from_arrays(images(), np.arange(40), augment=crop)
    passes = [np.concatenate([x for x, _ in data]) for _ in range(2)]
    passes += [one_pass(images(), augment=crop, seed=1)]
    passes += [one_pass(images(), augment=crop, epoch=2)]
    for i, left in enumerate(passes):
        for right in passes[i + 1 :]:
            assert (left != right).any(axis=(1, 2, 3)).mean() > 0.5


def test_digits_are_not_augmented():
    assert datasets.info("digits_2").augmentation is None
    train = {image.tobytes() for image in datasets.arrays("digits_2", "train")[0]}
    for batch, _ in datasets.load("digits_2", "train"):
        assert all(image.tobytes() in train for image in np.asarray(batch))


@dataclasses.dataclass(frozen=True)
class Brighter(datasets.Augmentation):
    draws: ClassVar[int] = 1

    def __call__(self, images, noise):
        return 0.5 * images + 0.5 * noise[:, :, None, None]


@dataclasses.dataclass(frozen=True)
class Halved(datasets.Augmentation):
    def __call__(self, images, noise):
        return images[:, ::2]


def test_an_augmentation_may_not_change_the_shape():
    stream = Passes(
        (images(4), np.arange(4)),
        EachOnce(np.arange(4), shuffle=False, seed=0),
        batch_size=4,
        steps=1,
        augment=Halved(),
        epoch=0,
    )
    with pytest.raises(ValueError, match=r"`augment` must .*\(4, 3, 7, 3\)"):
        stream.batch(0, 0)


@pytest.mark.parametrize("augment", [Brighter(), None, False])
def test_load_augments_training_batches_as_the_set_says(augment, monkeypatch):
    entry = dataclasses.replace(datasets.info("digits"), augmentation=Brighter())
    monkeypatch.setitem(datasets.catalog._REGISTRY, "digits", entry)
    batch = next(iter(datasets.load("digits", "train", augment=augment)))[0]
    batch = np.asarray(batch)
    grid = np.allclose(batch * 16, np.round(batch * 16), atol=1e-4)
    assert grid == (augment is False)
    plain = next(iter(datasets.load("digits", "validation")))[0]
    np.testing.assert_array_equal(
        plain, datasets.arrays("digits", "validation")[0][:128]
    )


@pytest.mark.parametrize("padding", [-1, 1.5, True])
def test_wrong_padding(padding):
    with pytest.raises(ValueError, match="`padding` must be an integer >= 0"):
        datasets.PadCropFlip(padding=padding)


@pytest.mark.parametrize(
    "augment, message",
    [
        (datasets.PadCropFlip(), r"`augment` must suit .*\('N', 6\)\. "),
        (Halved(), r"`augment` must return .*\(1, 3\)"),
    ],
)
def test_what_does_not_suit_a_table_is_refused_before_the_stream(augment, message):
    table = np.zeros((8, 6), "float32")
    for make in (datasets.from_arrays, datasets.balanced):
        options = {} if make is datasets.from_arrays else {"examples_per_class": 1}
        with pytest.raises(ValueError, match=message):
            make(table, np.arange(8) % 2, augment=augment, **options)
